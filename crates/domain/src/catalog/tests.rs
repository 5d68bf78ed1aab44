//! Every rule once, and that no text whatever breaks the reader.

use proptest::prelude::*;

use super::*;

const SOURCE: &str = r#"//go:build windows
// +build windows

/*
ID: 00000000-0000-4000-8000-000000000001
NAME: Credential store is read
TECHNIQUES: T1003.001, T1055, , T1003.001
TACTICS: credential-access,defense-evasion
SEVERITY: CRITICAL (worst)
TARGET: windows-endpoint, entra-id
COMPLEXITY: Medium
THREAT_ACTOR: N/A
SUBCATEGORY: apt
INTEGRATIONS: Azure, none, Defender
TAGS: lsass, memory
SOURCE_URL: https://example.org/NAME: other
*/
package main

const (
	TEST_UUID = "00000000-0000-4000-8000-000000000001"
	TEST_NAME = "The constants' name"
)
"#;

fn from_source(source: &str) -> Test {
    Test::read("intel-driven", Files { source: Some(source), ..Files::default() })
}

fn headed(head: &str) -> Test {
    from_source(&format!("/*\n{head}\n*/"))
}

#[test]
fn the_head_says_what_a_test_is() {
    let owned = |items: &[&str]| items.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let expected = Test {
        name: "Credential store is read".into(),
        category: "intel-driven".into(),
        subcategory: "apt".into(),
        severity: "critical".into(),
        techniques: owned(&["T1003.001", "T1055"]),
        tactics: owned(&["credential-access", "defense-evasion"]),
        threat_actor: String::new(),
        target: owned(&["windows-endpoint", "entra-id"]),
        complexity: "medium".into(),
        tags: owned(&["lsass", "memory"]),
        score: None,
        integrations: owned(&["azure", "defender"]),
    };
    assert_eq!(from_source(SOURCE), expected);
}

#[test]
fn keys_stand_at_the_beginning_of_a_line() {
    assert_eq!(headed("FILENAME: x.exe\nGUID: 7\n  * name : y\n * Name: z").name, "z");
    assert_eq!(headed("TECHNIQUE: T1").techniques, ["T1"]);
    assert_eq!(headed("TACTIC: impact").tactics, ["impact"]);
    // Only the first comment is the head, and one without an end is none.
    assert_eq!(from_source("/* x */ /*\nNAME: y\n*/").name, "");
    assert_eq!(from_source("/*\nNAME: y\n").name, "");
}

#[test]
fn an_empty_value_takes_nothing_from_the_next_line() {
    let test = headed("NAME:\nSEVERITY: \nSUBCATEGORY: apt\nTAGS:\n\nTARGET: host");
    assert_eq!((test.name.as_str(), test.severity.as_str()), ("", ""));
    assert_eq!((test.subcategory.as_str(), test.tags.len()), ("apt", 0));
    assert_eq!(test.target, ["host"]);
}

#[test]
fn the_constants_name_a_test_whose_head_does_not() {
    let constants = "package main\nconst (\n\tTEST_NAMES = \"no\"\n\tTEST_NAME   =  \"Yes\"\n)\n";
    assert_eq!(from_source(constants).name, "Yes");
    assert_eq!(from_source(&format!("/*\nNAME: Head\n*/\n{constants}")).name, "Head");
    assert_eq!(from_source("const (\n)\nvar TEST_NAME = \"x\"\nTEST_NAME = \"y\"").name, "");
}

#[test]
fn techniques_are_those_of_all_files_and_later_files_win() {
    let readme = "**Test Score**: **8.5/10**\n## Overview\n- **T1110** - guessing\n**T1055**: again\n**Stage 2 - T1059.001**: shell\n**T10**: no\n**T1234.5**: no\n**T1070** is only bold";
    let card = "**Category**: other\n**Severity**: High\n**MITRE ATT&CK**: T1003.001, T1486\n## Test Score: 9.4/10";
    let files = Files { source: Some(SOURCE), readme: Some(readme), card: Some(card) };
    let test = Test::read("phase-aligned", files);
    assert_eq!(test.techniques, ["T1003.001", "T1055", "T1110", "T1059.001", "T1486"]);
    assert_eq!((test.severity.as_str(), test.score), ("high", Some(9.4)));
    assert_eq!(test.category, "phase-aligned");
    let without_card = Test::read("phase-aligned", Files { card: None, ..files });
    assert_eq!((without_card.severity.as_str(), without_card.score), ("critical", Some(8.5)));
}

#[test]
fn a_card_may_be_a_table() {
    let card =
        "| Field | Value |\n|---|---|\n| **Severity** | low |\n| **MITRE ATT&CK** | T1, T2 |\n";
    let test = Test::read("mitre-top10", Files { card: Some(card), ..Files::default() });
    assert_eq!((test.severity.as_str(), test.techniques.len()), ("low", 2));
}

#[test]
fn a_score_is_at_most_ten() {
    for (text, expected) in [
        ("10/10", Some(10.0)),
        ("0/10", Some(0.0)),
        ("11/10", None),
        ("-1/10", None),
        ("inf/10", None),
        ("1e1/10", None),
        ("9", None),
    ] {
        let card = format!("## Test Score: {text}");
        let test = Test::read("", Files { card: Some(&card), ..Files::default() });
        assert_eq!(test.score, expected, "{text}");
    }
}

#[test]
fn values_and_lists_are_bounded() {
    let many: Vec<_> = (0..1000).map(|it| format!("t{it}")).collect();
    let test = headed(&format!("NAME: {}\nTAGS: {}", "😀".repeat(999), many.join(",")));
    assert_eq!((test.name.encode_utf16().count(), test.tags.len()), (254, 256));
    assert_eq!(headed("NAME: a\u{0}b\u{7}c").name, "abc");
}

#[test]
fn a_test_is_a_folder_with_the_name_of_a_uuid() {
    assert!(is_test("2F0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c1"));
    for name in [
        "README.md",
        "2f0b3f06-2f0d-4b44-93d9-5d4ed7f6d6c",
        "2f0b3f062f0d-4b44-93d9-5d4ed7f6d6c1-",
        "lab_assets",
    ] {
        assert!(!is_test(name), "{name}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(
        source in any::<Option<String>>(), readme in any::<Option<String>>(), card in any::<Option<String>>(),
    ) {
        let files = Files { source: source.as_deref(), readme: readme.as_deref(), card: card.as_deref() };
        Test::read("x", files);
    }

    /// Texts that look like the real ones, cut and put together anywhere.
    #[test]
    fn no_mangled_file_breaks_the_reader(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "/*", "*/", "\n", "NAME", "TAGS:", ": ", "*", "**", "|", "T1055", ".001", "Stage 1 - ", "##", " Test Score:",
            "**Severity**", "9.4/10", "é", "😀", "\u{0}", "const (", "TEST_NAME = \"", "\"", ",", "\r\n", "- ",
        ]), 0..60),
    ) {
        let text = pieces.concat();
        let files = Files { source: Some(&text), readme: Some(&text), card: Some(&text) };
        let test = Test::read("x", files);
        let texts = [&test.name, &test.subcategory, &test.severity, &test.threat_actor];
        prop_assert!(texts.iter().all(|it| it.encode_utf16().count() <= 255 && !it.contains('\0')));
        prop_assert!(test.techniques.iter().all(|it| !it.is_empty()));
    }
}
