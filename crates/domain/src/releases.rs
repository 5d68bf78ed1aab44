//! Agent binaries as operators publish them.

use crate::{
    platform::{Os, Platform},
    secrets::Digest,
    signing::SigningKey,
    time::Timestamp,
};

/// A registered agent binary. Its bytes are a blob, found by their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    pub platform: Platform,
    pub notes: String,
    pub mandatory: bool,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub size: u64,
    /// Ed25519 over the 32 digest bytes, 128 lower-case hexadecimal digits.
    pub signature: String,
    /// Whether the operating system's own code signature is present.
    pub signed: bool,
    pub created_at: Timestamp,
    /// Nobody is offered it before a second person has approved this.
    pub awaiting_approval: Option<String>,
    /// Agents of the platform are offered it, whatever is newer.
    pub promoted: bool,
}

/// What an operator says of the bytes that were uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    pub version: String,
    pub platform: Platform,
    pub notes: String,
    pub mandatory: bool,
}

impl NewRelease {
    /// The signature covers the digest alone: agents verify neither version nor platform (D-60).
    pub fn publish(self, bytes: Digest, size: u64, key: &SigningKey, now: Timestamp) -> Release {
        let Self { version, platform, notes, mandatory } = self;
        Release {
            version,
            platform,
            notes,
            mandatory,
            sha256: bytes.to_hex(),
            size,
            signature: key.sign(&bytes),
            signed: false,
            created_at: now,
            awaiting_approval: None,
            promoted: false,
        }
    }
}

impl Release {
    /// Opaque; no server opens it (D-18).
    pub fn binary_path(&self) -> String {
        let Platform { os, arch } = self.platform;
        format!("binaries/{os}-{arch}/achilles-agent-{}{}", self.version, suffix(os))
    }

    /// What a download of it is called.
    pub fn filename(&self) -> String {
        let Platform { os, arch } = self.platform;
        format!("achilles-agent-{os}-{arch}{}", suffix(os))
    }
}

/// What executables of this system end with.
pub(crate) const fn suffix(os: Os) -> &'static str {
    match os {
        Os::Windows => ".exe",
        Os::Linux | Os::Darwin => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{platform::Arch, secrets::Secret};

    fn release(os: Os) -> Release {
        let key = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        let key = SigningKey::from_pkcs8(&Secret::new(key.into())).unwrap();
        let new = NewRelease {
            version: "0.6.2".into(),
            platform: Platform { os, arch: Arch::Amd64 },
            notes: "fixes".into(),
            mandatory: true,
        };
        new.publish(Digest::of("achilles-test-binary"), 20, &key, Timestamp(7))
    }

    #[test]
    fn a_release_is_named_by_version_and_platform() {
        let linux = release(Os::Linux);
        assert_eq!(linux.binary_path(), "binaries/linux-amd64/achilles-agent-0.6.2");
        assert_eq!(linux.filename(), "achilles-agent-linux-amd64");
        let windows = release(Os::Windows);
        assert_eq!(windows.binary_path(), "binaries/windows-amd64/achilles-agent-0.6.2.exe");
        assert_eq!(windows.filename(), "achilles-agent-windows-amd64.exe");
    }

    #[test]
    fn publishing_signs_the_digest() {
        let release = release(Os::Linux);
        assert_eq!(release.sha256, Digest::of("achilles-test-binary").to_hex());
        assert_eq!(release.signature.len(), 128);
        assert!(release.signature.starts_with("666248035fd954aa"));
        assert!(release.mandatory && !release.signed);
    }
}
