//! Who may be given a task. The store creates all tasks of a call or none, under the same conditions;
//! this says what was wrong.

use crate::{agents::AgentStatus, ids::AgentId, platform::Platform};

/// An agent that a task was wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub agent: AgentId,
    /// `None` when the organisation has no such agent.
    pub known: Option<(AgentStatus, Platform)>,
}

/// Why nothing was created. Names every agent with the graver fault, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Unknown(Vec<AgentId>),
    Ineligible(Vec<(AgentId, AgentStatus)>),
    WrongPlatform(Vec<(AgentId, Platform)>),
}

/// `None` when all are eligible. `platform` is what the task needs, if anything (D-45).
pub fn refusal(candidates: Vec<Candidate>, platform: Option<Platform>) -> Option<Refusal> {
    let (mut unknown, mut ineligible, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
    for Candidate { agent, known } in candidates {
        match known {
            None => unknown.push(agent),
            Some((status, _)) if !may_work(status) => ineligible.push((agent, status)),
            Some((_, own)) if platform.is_some_and(|it| it != own) => elsewhere.push((agent, own)),
            Some(_) => {}
        }
    }
    if !unknown.is_empty() {
        Some(Refusal::Unknown(unknown))
    } else if !ineligible.is_empty() {
        Some(Refusal::Ineligible(ineligible))
    } else if !elsewhere.is_empty() {
        Some(Refusal::WrongPlatform(elsewhere))
    } else {
        None
    }
}

/// A disabled agent keeps its tasks until it is enabled; one that is gone for good never asks again.
fn may_work(status: AgentStatus) -> bool {
    match status {
        AgentStatus::Active | AgentStatus::Disabled => true,
        AgentStatus::Decommissioned | AgentStatus::Uninstalled => false,
    }
}

/// One of each, in the order of first appearance.
pub fn distinct(agents: Vec<String>) -> Vec<AgentId> {
    let mut seen = std::collections::HashSet::new();
    agents.into_iter().filter(|it| seen.insert(it.clone())).map(AgentId).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Arch, Os};

    const LINUX: Platform = Platform { os: Os::Linux, arch: Arch::Amd64 };
    const MAC: Platform = Platform { os: Os::Darwin, arch: Arch::Arm64 };

    fn candidate(agent: &str, known: Option<(AgentStatus, Platform)>) -> Candidate {
        Candidate { agent: agent.into(), known }
    }

    #[track_caller]
    fn check<const N: usize>(candidates: [Candidate; N], expected: Option<&Refusal>) {
        assert_eq!(refusal(candidates.into(), Some(LINUX)).as_ref(), expected);
    }

    #[test]
    fn active_and_disabled_agents_of_the_platform_are_eligible() {
        check(
            [
                candidate("a", Some((AgentStatus::Active, LINUX))),
                candidate("b", Some((AgentStatus::Disabled, LINUX))),
            ],
            None,
        );
    }

    #[test]
    fn all_agents_with_the_gravest_fault_are_named() {
        let gone = candidate("gone", Some((AgentStatus::Uninstalled, MAC)));
        let mac = candidate("mac", Some((AgentStatus::Active, MAC)));
        let wrong = Refusal::WrongPlatform(vec![("mac".into(), MAC)]);
        check([mac.clone()], Some(&wrong));
        let ineligible = Refusal::Ineligible(vec![("gone".into(), AgentStatus::Uninstalled)]);
        check([mac.clone(), gone.clone()], Some(&ineligible));
        let unknown = Refusal::Unknown(vec!["x".into(), "y".into()]);
        check([candidate("x", None), mac, gone, candidate("y", None)], Some(&unknown));
    }

    #[test]
    fn without_a_platform_any_will_do() {
        let mac = candidate("mac", Some((AgentStatus::Active, MAC)));
        assert_eq!(refusal(vec![mac], None), None);
    }

    #[test]
    fn an_agent_named_twice_counts_once() {
        let named = ["b", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(distinct(named), ["b".into(), "a".into()]);
    }
}
