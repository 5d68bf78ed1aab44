//! Which of two versions is the later one, as a text that sorts.
//!
//! The store compares such keys byte by byte, so "latest" is an index lookup (D-59). Valid semantic
//! versions sort by their precedence (semver.org §11). Others are read as leniently as agents read
//! them: a leading `v` is dropped, there may be any number of numbers, and what follows them is a
//! pre-release. Build metadata (after `+`) does not count.

/// Before every number, so that a version is older than the same with more numbers that count.
const PRE_RELEASE: char = '!';
const RELEASE: char = '/';
/// Sorts before all that identifiers consist of.
const END_OF_IDENTIFIER: char = ' ';

/// The sort key of a version.
pub fn of(version: &str) -> String {
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let version = version.split('+').next().unwrap_or_default();
    let is_core = |it: char| it.is_ascii_digit() || it == '.';
    let (core, rest) = version.split_at(version.find(|it| !is_core(it)).unwrap_or(version.len()));

    let mut key = String::with_capacity(version.len() * 2 + 8);
    for number in significant(core) {
        push_number(&mut key, number);
    }
    match rest.strip_prefix('-').unwrap_or(rest) {
        "" => key.push(RELEASE),
        pre_release => {
            key.push(PRE_RELEASE);
            pre_release.split('.').for_each(|it| push_identifier(&mut key, it));
        }
    }
    key
}

/// `1.2` and `1.2.0` are the same version.
fn significant(core: &str) -> impl Iterator<Item = &str> {
    let mut numbers: Vec<_> = core.split('.').map(|it| it.trim_start_matches('0')).collect();
    while numbers.pop_if(|it| it.is_empty()).is_some() {}
    numbers.into_iter()
}

/// The number of digits goes first, as one character, so that longer numbers are larger.
fn push_number(key: &mut String, digits: &str) {
    let length = u8::try_from(digits.len()).unwrap_or(u8::MAX).min(b'~' - b'0');
    key.push(char::from(b'0' + length));
    key.push_str(digits);
}

fn push_identifier(key: &mut String, identifier: &str) {
    let is_number = !identifier.is_empty() && identifier.bytes().all(|it| it.is_ascii_digit());
    if is_number {
        key.push('1');
        push_number(key, identifier.trim_start_matches('0'));
    } else {
        key.push('2');
        key.push_str(identifier);
        key.push(END_OF_IDENTIFIER);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn ascending(versions: &[&str]) {
        assert!(versions.is_sorted_by(|a, b| of(a) < of(b)), "{versions:?}");
    }

    #[track_caller]
    fn same(versions: &[&str]) {
        assert!(versions.iter().all(|it| of(it) == of(versions[0])), "{versions:?}");
    }

    #[test]
    fn the_example_of_the_standard_is_in_order() {
        ascending(&[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ]);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        ascending(&["0.9.0", "0.10.0", "1.0.0", "1.0.1", "1.1.0", "9.0.0", "10.0.0", "2026.7.11"]);
    }

    #[test]
    fn any_number_of_numbers_counts() {
        ascending(&["1", "1.0.0.1", "1.0.1", "1.1-rc1", "1.1", "1.1.0.0.7"]);
        same(&["1.2", "1.2.0", "v1.2.0.0", "V1.2", "01.02", "1.2.0+build.7", "1.2.", "1.2-"]);
    }

    #[test]
    fn what_follows_the_numbers_is_a_pre_release() {
        ascending(&["nightly", "0.0.1", "1.2rc1", "1.2"]);
        same(&["1.2rc1", "1.2-rc1", "1.2.0-rc1"]);
    }

    #[test]
    fn identifiers_do_not_run_into_one_another() {
        ascending(&["1.0.0-a", "1.0.0-a.b", "1.0.0-a-", "1.0.0-aa"]);
    }

    fn valid() -> impl Strategy<Value = String> {
        let number = prop_oneof![0_u64..3, any::<u64>()];
        let identifier = prop_oneof![
            Just("0".to_owned()),
            "[1-9][0-9]{0,12}",
            "[0-9]{0,2}[A-Za-z-][0-9A-Za-z-]{0,3}",
        ];
        let pre_release = prop::collection::vec(identifier, 0..4);
        ((number.clone(), number.clone(), number), pre_release, prop::option::of("[a-z0-9]{1,3}"))
            .prop_map(|((major, minor, patch), pre_release, build)| {
                let mut text = format!("{major}.{minor}.{patch}");
                if !pre_release.is_empty() {
                    text = format!("{text}-{}", pre_release.join("."));
                }
                build.map_or(text.clone(), |it| format!("{text}+{it}"))
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn keys_sort_as_semantic_versions_do(a in valid(), b in valid()) {
            let parse = |it: &str| semver::Version::parse(it).unwrap();
            prop_assert_eq!(of(&a).cmp(&of(&b)), parse(&a).cmp_precedence(&parse(&b)));
        }

        #[test]
        fn any_text_has_a_key(a: String, b in "[v0-9._+-]{0,64}") {
            prop_assert_eq!(of(&a).cmp(&of(&a)), Ordering::Equal);
            of(&b);
        }
    }
}
