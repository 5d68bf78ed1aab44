//! Whom a run would reach now, and whom not and why, in the words of rehearsals of tasks. Writes nothing.

use domain::{agents::AgentStatus, ids::OrgId, platform::Platform};
use store::schedules::reach::{Reached, list_reached};

use crate::{
    bindings::exports::myrmidon::domain::schedules::{
        DrySkip, DryTarget, ScheduleDryRun, ScheduleError,
    },
    call::Call,
    tasks::creation::gone,
};

pub(super) async fn judge(
    call: &Call,
    org: &OrgId,
    roster: &str,
    platform: Platform,
) -> Result<ScheduleDryRun, ScheduleError> {
    let mut judged = ScheduleDryRun { targets: Vec::new(), skipped: Vec::new() };
    for Reached { agent, known } in list_reached(call.db, org, roster).await? {
        let agent_id = agent.0;
        let Some((hostname, status, own)) = known else {
            judged.skipped.push(DrySkip { agent_id, hostname: None, reason: gone(None).into() });
            continue;
        };
        let reason = match status {
            AgentStatus::Active if own == platform => {
                judged.targets.push(DryTarget { agent_id, hostname });
                continue;
            }
            AgentStatus::Active => "wrong_platform",
            other => gone(Some(other)),
        };
        let reason = reason.to_owned();
        judged.skipped.push(DrySkip { agent_id, hostname: Some(hostname), reason });
    }
    Ok(judged)
}
