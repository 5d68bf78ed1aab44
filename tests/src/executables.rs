//! The smallest files that say which platform they are for: headers and nothing behind them.
//!
//! They run nowhere. What follows the header is for the test to choose.

/// A Windows executable. `machine` is that of the COFF header.
pub fn pe(machine: u16) -> Vec<u8> {
    const OPTIONAL_HEADER: usize = 240;
    let mut file = vec![0; 64];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c..0x40].copy_from_slice(&64_u32.to_le_bytes());
    file.extend(b"PE\0\0");
    file.extend(machine.to_le_bytes());
    file.extend(0_u16.to_le_bytes()); // no sections
    file.extend([0; 12]);
    file.extend(u16::try_from(OPTIONAL_HEADER).expect("it is small").to_le_bytes());
    file.extend(0x0022_u16.to_le_bytes()); // executable, large addresses
    file.extend(0x020b_u16.to_le_bytes()); // PE32+
    file.extend([0; OPTIONAL_HEADER - 2]);
    file
}

pub const PE_AMD64: u16 = 0x8664;
pub const PE_ARM64: u16 = 0xaa64;
pub const PE_I386: u16 = 0x014c;

/// A Linux executable. `machine` is `e_machine`.
pub fn elf(machine: u16) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    file.extend([0; 8]);
    file.extend(2_u16.to_le_bytes()); // ET_EXEC
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend([0; 24]); // entry and both tables
    file.extend(0_u32.to_le_bytes());
    for size in [64_u16, 56, 0, 64, 0, 0] {
        file.extend(size.to_le_bytes());
    }
    file
}

/// A Linux executable for amd64 with something behind its header.
pub fn executable(content: &[u8]) -> Vec<u8> {
    [&elf(ELF_AMD64), content].concat()
}

pub const ELF_AMD64: u16 = 62;
pub const ELF_ARM64: u16 = 183;
pub const ELF_RISCV: u16 = 243;

/// A macOS executable for one processor.
pub fn mach_o(cpu: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xfeed_facf, cpu, 0, 2, 0, 0, 0, 0_u32] {
        file.extend(word.to_le_bytes());
    }
    file
}

pub const MACH_AMD64: u32 = 0x0100_0007;
pub const MACH_ARM64: u32 = 0x0100_000c;

/// A macOS executable for several processors.
pub fn fat_mach_o(cpus: &[u32]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xcafe_babe_u32.to_be_bytes());
    file.extend(u32::try_from(cpus.len()).expect("few").to_be_bytes());
    for (index, cpu) in (1_u32..).zip(cpus) {
        for word in [*cpu, 0, index * 4096, 32, 12] {
            file.extend(word.to_be_bytes());
        }
    }
    for cpu in cpus {
        file.resize(file.len().next_multiple_of(4096), 0);
        file.extend(mach_o(*cpu));
    }
    file
}

pub fn script() -> Vec<u8> {
    b"#!/bin/sh\nexit 126\n".to_vec()
}
