//! What an uploaded test binary is, told from its first bytes alone (D-45).
//!
//! Its name and its declared type are the uploader's word and count for nothing. Whether the file
//! runs is not asked: only for which platform it says it is.

use object::{
    BigEndian, Endianness, LittleEndian as LE, ReadRef as _, elf, macho, pe,
    read::macho::{FatArch, MachHeader as _, MachOFatFile},
};

use crate::platform::{Arch, Os, Platform};

/// Enough for every header that is looked at.
pub const HEAD_BYTES: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PE, ELF or Mach-O; the header names the platform.
    Executable(Platform),
    /// A Mach-O for every architecture of ours: it says that it is for darwin, and leaves open which.
    Universal,
    /// A script with a shebang, which says nothing.
    Portable,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    #[error("neither PE, ELF, Mach-O nor a script with a shebang")]
    UnknownFormat,
    /// Names the platform as the header does.
    #[error("no agents run on {0}")]
    UnsupportedPlatform(String),
}

use Unrecognised::{UnknownFormat, UnsupportedPlatform};

/// `head` is the beginning of the file, [`HEAD_BYTES`] of it or all there is.
pub fn recognise(head: &[u8]) -> Result<Format, Unrecognised> {
    match head {
        [b'#', b'!', ..] => Ok(Format::Portable),
        [b'M', b'Z', ..] => portable_executable(head),
        [0x7f, b'E', b'L', b'F', ..] => elf(head),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xcf, ..] => mach_o(head),
        [0xce, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce, ..] => {
            Err(UnsupportedPlatform("darwin/32-bit".to_owned()))
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => universal::<macho::FatArch32>(head),
        [0xca, 0xfe, 0xba, 0xbf, ..] => universal::<macho::FatArch64>(head),
        _ => Err(UnknownFormat),
    }
}

const fn for_platform(os: Os, arch: Arch) -> Format {
    Format::Executable(Platform { os, arch })
}

fn unsupported(os: &str, machine: &str) -> Unrecognised {
    UnsupportedPlatform(format!("{os}/{machine}"))
}

/// A DOS header without a PE header behind it says Windows and nothing more; upstream's consoles
/// upload such files, and amd64 is what they mean.
fn portable_executable(head: &[u8]) -> Result<Format, Unrecognised> {
    let Some(header) = pe_file_header(head) else {
        return Ok(for_platform(Os::Windows, Arch::Amd64));
    };
    match header.machine.get(LE) {
        pe::IMAGE_FILE_MACHINE_AMD64 => Ok(for_platform(Os::Windows, Arch::Amd64)),
        pe::IMAGE_FILE_MACHINE_ARM64 => Ok(for_platform(Os::Windows, Arch::Arm64)),
        pe::IMAGE_FILE_MACHINE_I386 => Err(unsupported("windows", "386")),
        pe::IMAGE_FILE_MACHINE_ARMNT => Err(unsupported("windows", "arm")),
        other => Err(unsupported("windows", &format!("machine {other:#06x}"))),
    }
}

fn pe_file_header(head: &[u8]) -> Option<&pe::ImageFileHeader> {
    let dos = head.read_at::<pe::ImageDosHeader>(0).ok()?;
    let signature_at = u64::from(dos.e_lfanew.get(LE));
    let signature = head.read_at::<object::U32<LE>>(signature_at).ok()?;
    (signature.get(LE) == pe::IMAGE_NT_SIGNATURE).then_some(())?;
    head.read_at::<pe::ImageFileHeader>(signature_at + 4).ok()
}

fn elf(head: &[u8]) -> Result<Format, Unrecognised> {
    let class = head.get(4).copied();
    let (os_abi, kind, machine) = match class {
        Some(elf::ELFCLASS64) => elf_fields::<elf::FileHeader64<Endianness>>(head)?,
        Some(elf::ELFCLASS32) => elf_fields::<elf::FileHeader32<Endianness>>(head)?,
        _ => return Err(UnknownFormat),
    };
    if matches!(kind, elf::ET_REL | elf::ET_CORE) {
        return Err(UnknownFormat);
    }
    let os = match os_abi {
        elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU => "linux",
        elf::ELFOSABI_FREEBSD => "freebsd",
        elf::ELFOSABI_NETBSD => "netbsd",
        elf::ELFOSABI_OPENBSD => "openbsd",
        elf::ELFOSABI_SOLARIS => "solaris",
        _ => "unknown",
    };
    let wide = class == Some(elf::ELFCLASS64);
    match machine {
        elf::EM_X86_64 if wide && os == "linux" => Ok(for_platform(Os::Linux, Arch::Amd64)),
        elf::EM_AARCH64 if wide && os == "linux" => Ok(for_platform(Os::Linux, Arch::Arm64)),
        elf::EM_X86_64 => Err(unsupported(os, if wide { "amd64" } else { "x32" })),
        elf::EM_AARCH64 => Err(unsupported(os, if wide { "arm64" } else { "arm64 (32-bit)" })),
        elf::EM_386 => Err(unsupported(os, "386")),
        elf::EM_ARM => Err(unsupported(os, "arm")),
        elf::EM_RISCV => Err(unsupported(os, "riscv")),
        elf::EM_PPC64 => Err(unsupported(os, "ppc64")),
        elf::EM_S390 => Err(unsupported(os, "s390x")),
        other => Err(unsupported(os, &format!("machine {other}"))),
    }
}

fn elf_fields<H>(head: &[u8]) -> Result<(u8, u16, u16), Unrecognised>
where
    H: object::read::elf::FileHeader<Endian = Endianness>,
{
    let header = H::parse(head).map_err(|_| UnknownFormat)?;
    let endian = header.endian().map_err(|_| UnknownFormat)?;
    Ok((header.e_ident().os_abi, header.e_type(endian), header.e_machine(endian)))
}

fn mach_o(head: &[u8]) -> Result<Format, Unrecognised> {
    let header = macho::MachHeader64::<Endianness>::parse(head, 0).map_err(|_| UnknownFormat)?;
    let endian = header.endian().map_err(|_| UnknownFormat)?;
    match header.filetype(endian) {
        macho::MH_EXECUTE => darwin(header.cputype(endian)),
        _ => Err(UnknownFormat),
    }
}

fn darwin(cpu: u32) -> Result<Format, Unrecognised> {
    match cpu {
        macho::CPU_TYPE_X86_64 => Ok(for_platform(Os::Darwin, Arch::Amd64)),
        macho::CPU_TYPE_ARM64 => Ok(for_platform(Os::Darwin, Arch::Arm64)),
        macho::CPU_TYPE_X86 => Err(unsupported("darwin", "386")),
        macho::CPU_TYPE_ARM => Err(unsupported("darwin", "arm")),
        macho::CPU_TYPE_POWERPC => Err(unsupported("darwin", "ppc")),
        other => Err(unsupported("darwin", &format!("cpu {other:#x}"))),
    }
}

/// Java classes begin with the same four bytes; read as a universal binary they hold dozens of
/// architectures, which no universal binary does.
fn universal<A: FatArch>(head: &[u8]) -> Result<Format, Unrecognised> {
    let count = head.read_at::<macho::FatHeader>(0).map(|it| it.nfat_arch.get(BigEndian));
    if !count.is_ok_and(|it| (1..=16).contains(&it)) {
        return Err(UnknownFormat);
    }
    let file = MachOFatFile::<A>::parse(head).map_err(|_| UnknownFormat)?;
    let mut ours = file.arches().iter().flat_map(|it| darwin(it.cputype()));
    match ours.next() {
        Some(first) if ours.all(|it| it == first) => Ok(first),
        Some(_) => Ok(Format::Universal),
        None => file.arches().first().map_or(Err(UnknownFormat), |it| darwin(it.cputype())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pe(machine: u16) -> Vec<u8> {
        let mut file = vec![0; 256];
        file[..2].copy_from_slice(b"MZ");
        file[60] = 128;
        file[128..132].copy_from_slice(b"PE\0\0");
        file[132..134].copy_from_slice(&machine.to_le_bytes());
        file
    }

    fn elf(class: u8, os_abi: u8, kind: u8, machine: u8) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1, os_abi]);
        file[16] = kind;
        file[18] = machine;
        file[20] = 1;
        file
    }

    fn mach_o(cpu: u32, kind: u8) -> Vec<u8> {
        let mut file = vec![0; 32];
        file[..4].copy_from_slice(&[0xcf, 0xfa, 0xed, 0xfe]);
        file[4..8].copy_from_slice(&cpu.to_le_bytes());
        file[12] = kind;
        file
    }

    fn universal(cpus: &[u32]) -> Vec<u8> {
        let mut file = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, u8::try_from(cpus.len()).unwrap()];
        for cpu in cpus {
            file.extend(cpu.to_be_bytes());
            file.extend([0; 16]);
        }
        file
    }

    #[track_caller]
    fn check(head: &[u8], expected: &str) {
        let actual = match recognise(head) {
            Ok(Format::Executable(platform)) => platform.to_string(),
            Ok(Format::Universal) => "universal".to_owned(),
            Ok(Format::Portable) => "portable".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected);
    }

    const UNKNOWN: &str = "neither PE, ELF, Mach-O nor a script with a shebang";

    #[test]
    fn the_header_names_the_platform() {
        check(&pe(0x8664), "windows/amd64");
        check(&pe(0xaa64), "windows/arm64");
        check(&elf(2, 0, 2, 62), "linux/amd64");
        check(&elf(2, 3, 3, 183), "linux/arm64");
        check(&mach_o(0x0100_0007, 2), "darwin/amd64");
        check(&mach_o(0x0100_000c, 2), "darwin/arm64");
    }

    #[test]
    fn a_platform_without_agents_is_named() {
        check(&pe(0x14c), "no agents run on windows/386");
        check(&pe(0x1234), "no agents run on windows/machine 0x1234");
        check(&elf(1, 0, 2, 3), "no agents run on linux/386");
        check(&elf(1, 0, 2, 62), "no agents run on linux/x32");
        check(&elf(2, 9, 2, 62), "no agents run on freebsd/amd64");
        check(&elf(2, 0, 2, 243), "no agents run on linux/riscv");
        check(&mach_o(18, 2), "no agents run on darwin/ppc");
        check(&[0xce, 0xfa, 0xed, 0xfe, 0, 0, 0, 0], "no agents run on darwin/32-bit");
    }

    #[test]
    fn a_script_may_run_anywhere() {
        check(b"#!/bin/sh\n", "portable");
        check(b" #!/bin/sh\n", UNKNOWN);
    }

    #[test]
    fn a_universal_binary_runs_where_its_slices_do() {
        check(&universal(&[0x0100_0007, 0x0100_000c]), "universal");
        check(&universal(&[0x0100_0007, 7, 0x0100_0007]), "darwin/amd64");
        check(&universal(&[7, 0x0100_000c]), "darwin/arm64");
        check(&universal(&[18, 7]), "no agents run on darwin/ppc");
        check(&universal(&[]), UNKNOWN);
    }

    #[test]
    fn a_java_class_is_no_universal_binary() {
        check(&[&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52][..], &[0; 2000]].concat(), UNKNOWN);
    }

    #[test]
    fn a_bare_dos_header_is_taken_for_windows() {
        check(b"MZ", "windows/amd64");
        check(&[&b"MZ"[..], &[0xff; 400]].concat(), "windows/amd64");
    }

    #[test]
    fn what_is_linked_but_cannot_be_started_is_unknown() {
        check(&elf(2, 0, 1, 62), UNKNOWN);
        check(&mach_o(0x0100_0007, 6), UNKNOWN);
    }

    #[test]
    fn anything_else_is_unknown() {
        for head in [&b""[..], b"M", b"\x7fELF", b"\x7fELF\x02", b"PK\x03\x04", b"hello world"] {
            check(head, UNKNOWN);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            magic in prop::sample::select(vec![
                &b"MZ"[..], b"\x7fELF\x01", b"\x7fELF\x02", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf",
                b"\xca\xfe\xba\xbe\0\0\0", b"\xca\xfe\xba\xbf\0\0\0", b"",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = recognise(&[magic, &rest].concat());
        }
    }
}
