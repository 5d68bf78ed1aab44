//! The agents that a schedule would have, as a dry run looks at them.

use domain::{
    agents::AgentStatus,
    ids::{AgentId, OrgId},
    platform::Platform,
};

use crate::{Db, Error, Row};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub agent: AgentId,
    /// Hostname, status and platform; `None` when the organisation has no such agent.
    pub known: Option<(String, AgentStatus, Platform)>,
}

/// The agents of a roster (`[…, agent id]` each), in its order.
pub async fn list_reached(db: &impl Db, org: &OrgId, roster: &str) -> Result<Vec<Reached>, Error> {
    let rows = db
        .query(
            "SELECT wanted.value ->> 1, agents.hostname, agents.status, agents.os, agents.arch
               FROM json_each(?1) AS wanted
          LEFT JOIN agents ON agents.id = wanted.value ->> 1 AND agents.org_id = ?2
           ORDER BY wanted.key",
            &[roster.into(), org.into()],
        )
        .await?;
    rows.into_iter().map(decode).collect()
}

fn decode(mut row: Row) -> Result<Reached, Error> {
    let known = if row.is_null(1) {
        None
    } else {
        let platform = Platform { os: row.parsed(3)?, arch: row.parsed(4)? };
        Some((row.text(1)?, row.parsed(2)?, platform))
    };
    Ok(Reached { agent: AgentId(row.text(0)?), known })
}
