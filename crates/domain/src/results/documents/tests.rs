//! The upstream assertions on documents (fleet.md A11), and what they do not say.

use proptest::prelude::*;

use super::*;

fn texts(given: &[&str]) -> Vec<String> {
    given.iter().map(|it| (*it).to_owned()).collect()
}

fn assignment() -> Assignment {
    Assignment {
        task: "task-001".to_owned(),
        test_uuid: "uuid".to_owned(),
        test_name: "LSASS read".to_owned(),
        metadata: Metadata {
            category: "mitre-top10".to_owned(),
            subcategory: "credentials".to_owned(),
            severity: "high".to_owned(),
            techniques: texts(&["T1003.001"]),
            tactics: texts(&["credential-access"]),
            threat_actor: "APT29".to_owned(),
            target: texts(&["windows-endpoint"]),
            complexity: "low".to_owned(),
            tags: texts(&["a"]),
            score: Some(7.5),
            integrations: Vec::new(),
        },
        target_index: None,
        assigned_at: Timestamp(1_783_761_600_000),
        received_at: Timestamp(1_783_761_660_000),
    }
}

fn report(exit_code: i64) -> Report {
    Report {
        exit_code,
        hostname: "ws-0417".to_owned(),
        completed_at: "2026-07-11T09:20:44Z".to_owned(),
        bundle: None,
    }
}

fn control(id: &str, exit_code: i64) -> Control {
    Control {
        id: id.to_owned(),
        name: format!("Control {id}"),
        validator: "Defender".to_owned(),
        exit_code,
        severity: "critical".to_owned(),
        category: "cyber-hygiene".to_owned(),
        subcategory: "baseline".to_owned(),
        techniques: texts(&["T1562.001"]),
        tactics: texts(&["defense-evasion"]),
        ..Control::default()
    }
}

fn bundle(controls: Vec<Control>) -> Report {
    let bundle = Bundle {
        id: "bundle".to_owned(),
        name: "Baseline".to_owned(),
        subcategory: "baseline".to_owned(),
        controls,
    };
    Report { bundle: Some(bundle), ..report(101) }
}

// A11 148–150, 170, 175
#[test]
fn a_test_is_one_document() {
    let documents = assignment().documents(&report(126));
    assert_eq!(documents.event_at, Timestamp(1_783_761_644_000));
    assert_eq!(documents.hostname, "ws-0417");
    assert_eq!(
        (documents.threat_actor.as_str(), documents.score, documents.bundle),
        ("APT29", Some(7.5), None)
    );
    let [document] = &documents.each[..] else { panic!("{:?}", documents.each) };
    assert_eq!((document.id.as_str(), document.test_uuid.as_str()), ("task-001", "uuid"));
    assert_eq!((document.error_code, document.outcome), (126, Outcome::Protected));
    assert_eq!(document.techniques, ["T1003.001"]);
    assert_eq!(document.control_id, None);
}

// A11 165–169, 172, 177
#[test]
fn a_bundle_is_a_document_per_control() {
    let report = bundle(vec![control("CH-A-001", 126), control("CH-A-002", 101)]);
    let documents = assignment().documents(&report);
    let shown: Vec<_> = documents
        .each
        .iter()
        .map(|it| (it.id.as_str(), it.test_uuid.as_str(), it.test_name.as_str(), it.outcome))
        .collect();
    assert_eq!(
        shown,
        [
            ("task-001::CH-A-001", "bundle::CH-A-001", "Control CH-A-001", Outcome::Protected),
            ("task-001::CH-A-002", "bundle::CH-A-002", "Control CH-A-002", Outcome::Unprotected),
        ]
    );
    let first = &documents.each[0];
    assert_eq!(
        (first.severity.as_str(), &first.techniques[..]),
        ("critical", &texts(&["T1562.001"])[..])
    );
    assert_eq!(first.control_validator.as_deref(), Some("Defender"));
    assert_eq!((documents.threat_actor.as_str(), documents.complexity.as_str()), ("APT29", "low"));
    let name = documents.bundle.unwrap();
    assert_eq!((name.id.as_str(), name.name.as_str()), ("bundle", "Baseline"));
}

// A11 179
#[test]
fn two_tasks_with_the_same_bundle_have_the_same_tests_and_other_documents() {
    let report = bundle(vec![control("CH-A-001", 126)]);
    let other = Assignment { task: "task-002".to_owned(), ..assignment() };
    let (one, two) = (assignment().documents(&report), other.documents(&report));
    assert_eq!(one.each[0].test_uuid, two.each[0].test_uuid);
    assert_ne!(one.each[0].id, two.each[0].id);
}

// D-77
#[test]
fn a_skipped_control_is_nothing_but_skipped() {
    let skipped = Control { skipped: true, ..control("CH-A-001", 126) };
    let documents = assignment().documents(&bundle(vec![skipped]));
    assert_eq!(documents.each[0].outcome, Outcome::Skipped);
}

#[test]
fn a_bundle_without_controls_is_a_test() {
    let documents = assignment().documents(&bundle(Vec::new()));
    assert_eq!((documents.each[0].id.as_str(), documents.bundle), ("task-001", None));
}

#[test]
fn a_bundle_that_looks_at_a_tenant_says_so() {
    let label = |change: fn(&mut Assignment, &mut Bundle)| {
        let (mut assignment, mut report) = (assignment(), bundle(vec![control("c", 0)]));
        change(&mut assignment, report.bundle.as_mut().unwrap());
        assignment.documents(&report).bundle.unwrap().tenant_label
    };
    assert_eq!(label(|_, _| ()), None);
    assert_eq!(
        label(|it, _| it.metadata.integrations.push("azure".to_owned())),
        Some("Azure Tenant")
    );
    assert_eq!(
        label(|it, _| it.metadata.subcategory = "identity-tenant".to_owned()),
        Some("Azure Tenant")
    );
    assert_eq!(label(|_, it| it.subcategory = "identity-tenant".to_owned()), Some("Azure Tenant"));
}

// A11 159, D-57
#[test]
fn a_named_index_is_kept_verbatim_where_it_is_permitted() {
    let named = |name: &str| {
        let assignment = Assignment { target_index: Some(name.to_owned()), ..assignment() };
        assignment.documents(&report(0)).target_index
    };
    assert_eq!(named("achilles-results-lab").as_deref(), Some("achilles-results-lab"));
    assert_eq!(named(".security"), None);
}

#[test]
fn what_is_too_long_is_cut_and_not_refused() {
    let mut long = control("é", 0);
    long.name = "é".repeat(10_000);
    long.techniques = vec!["T".repeat(1000); 1000];
    let documents = assignment().documents(&bundle(vec![long]));
    let document = &documents.each[0];
    assert_eq!(document.test_name.chars().count(), LONGEST_TEXT);
    assert_eq!((document.techniques.len(), document.techniques[0].len()), (64, 128));
}

#[test]
fn a_score_that_is_no_number_is_none() {
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut assignment = assignment();
        assignment.metadata.score = Some(score);
        assert_eq!(assignment.documents(&report(0)).score, None);
    }
}

proptest! {
    #[test]
    fn whatever_is_reported_becomes_documents_of_bounded_size(
        exit_code: i64, hostname: String, completed_at: String, id: String, name: String, skipped: bool,
        techniques in prop::collection::vec(".*", 0..80),
    ) {
        let control = Control { id, name: name.clone(), exit_code, skipped, techniques, ..Control::default() };
        let bundle = Bundle { id: name.clone(), name, subcategory: String::new(), controls: vec![control] };
        let report = Report { exit_code, hostname, completed_at, bundle: Some(bundle) };
        let documents = assignment().documents(&report);
        prop_assert_eq!(documents.each.len(), 1);
        let document = &documents.each[0];
        prop_assert!(document.test_name.chars().count() <= LONGEST_TEXT);
        prop_assert!(document.techniques.len() <= MOST_ENTRIES);
        prop_assert!(!document.id.contains('\0') && !documents.hostname.contains('\0'));
    }
}
