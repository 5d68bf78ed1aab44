//! The binary of a test, as an operator uploaded it.

use crate::{platform::Platform, releases::suffix, secrets::Digest, time::Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub platform: Platform,
    pub filename: String,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub size: u64,
    /// Whether the operating system's own code signature is present.
    pub signed: bool,
    pub built_at: Timestamp,
}

impl Build {
    /// Makes uploaded bytes the build of a test. It is named after the test as the uploader wrote it.
    pub fn of_upload(
        test_uuid: &str,
        platform: Platform,
        bytes: Digest,
        size: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            platform,
            filename: format!("{test_uuid}{}", suffix(platform.os)),
            sha256: bytes.to_hex(),
            size,
            signed: false,
            built_at: now,
        }
    }
}

/// What a client may name: no directory, so that no name leads out of its place.
pub fn last_component(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Arch, Os};

    fn filename(os: Os) -> String {
        let platform = Platform { os, arch: Arch::Amd64 };
        Build::of_upload("7D1Dd91c", platform, Digest::of("x"), 1, Timestamp(0)).filename
    }

    #[test]
    fn a_build_is_named_after_its_test() {
        assert_eq!(filename(Os::Windows), "7D1Dd91c.exe");
        assert_eq!(filename(Os::Linux), "7D1Dd91c");
        assert_eq!(filename(Os::Darwin), "7D1Dd91c");
    }

    #[test]
    fn a_name_has_no_directory() {
        for (path, expected) in
            [("a.exe", "a.exe"), ("../../a.exe", "a.exe"), ("c:\\x\\a", "a"), ("a/", ""), ("", "")]
        {
            assert_eq!(last_component(path), expected);
        }
    }
}
