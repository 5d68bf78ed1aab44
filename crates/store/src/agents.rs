//! `agents` as their operators see them.

use domain::{
    agents::{AgentStatus, RuntimeStatus, is_online},
    health::Window,
    ids::{AgentId, OrgId},
    platform::Platform,
    time::Timestamp,
};

use crate::{Db, Error, Row};

pub mod changes;
pub mod enrollment;
pub(crate) mod health;
pub mod history;
pub mod list;
pub mod rotation;
pub mod sweeps;

/// What a list shows of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub id: AgentId,
    pub org: OrgId,
    pub hostname: String,
    pub platform: Platform,
    pub agent_version: String,
    pub status: AgentStatus,
    pub runtime_status: RuntimeStatus,
    pub last_heartbeat_at: Option<Timestamp>,
    /// JSON, an array of texts.
    pub tags: String,
    pub is_online: bool,
    pub rotation_pending: bool,
    pub rejected_since: Option<Timestamp>,
    pub judged: Judged,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub org: OrgId,
    pub hostname: String,
    pub platform: Platform,
    pub agent_version: String,
    pub status: AgentStatus,
    pub last_heartbeat_at: Option<Timestamp>,
    /// JSON.
    pub last_heartbeat: Option<String>,
    pub enrolled_at: Timestamp,
    pub enrolled_by: Option<String>,
    /// JSON, an array of texts.
    pub tags: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub rotation_pending: bool,
    pub is_online: bool,
    pub rejected_since: Option<Timestamp>,
    /// Until when the previous key is kept, if it is.
    pub previous_key_expires_at: Option<Timestamp>,
    pub judged: Judged,
}

/// What we make of an agent's last week, and of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// 0–100.
    pub health_score: u8,
    /// Active and heard of, but nothing completed.
    pub is_stale: bool,
    /// Another agent has the same name and system.
    pub is_duplicate: bool,
}

/// What [`decode_summary`] reads; the parameters are a week's first day, that day's share and when
/// the week began.
macro_rules! summary_columns {
    ($first:literal, $share:literal, $since:literal) => {
        concat!(
            "id, org_id, hostname, os, arch, agent_version, status,
             json_extract(last_heartbeat, '$.status'), last_heartbeat_at, tags,
             pending_key_digest IS NOT NULL, rejected_since, ",
            judged_columns!($first, $share, $since)
        )
    };
}

/// Score, idleness, and whether another agent that is not gone has the same name and system (D-76).
macro_rules! judged_columns {
    ($first:literal, $share:literal, $since:literal) => {
        concat!(
            health::score!("agents.id", $first, $share),
            ", status = 'active' AND ",
            health::idle!($since),
            ", status IN ('active', 'disabled')
               AND EXISTS (SELECT 1 FROM agents AS other
                            WHERE other.org_id = agents.org_id AND other.status IN ('active', 'disabled')
                              AND other.os = agents.os AND other.hostname = agents.hostname
                              AND other.rowid <> agents.rowid)"
        )
    };
}

pub(crate) use {judged_columns, summary_columns};

fn decode_summary(mut row: Row, now: Timestamp) -> Result<Summary, Error> {
    let status = row.parsed(6)?;
    let last_heartbeat_at = row.optional_timestamp(8)?;
    let is_online = is_online(status, last_heartbeat_at, now);
    let said = row.optional_text(7)?;
    let runtime_status = if is_online {
        RuntimeStatus::of_heartbeat(said.as_deref())
    } else {
        RuntimeStatus::Offline
    };
    Ok(Summary {
        id: AgentId(row.text(0)?),
        org: OrgId(row.text(1)?),
        hostname: row.text(2)?,
        platform: Platform { os: row.parsed(3)?, arch: row.parsed(4)? },
        agent_version: row.text(5)?,
        status,
        runtime_status,
        last_heartbeat_at,
        tags: row.text(9)?,
        is_online,
        rotation_pending: row.flag(10)?,
        rejected_since: row.optional_timestamp(11)?,
        judged: decode_judged(&mut row, 12)?,
    })
}

fn decode_judged(row: &mut Row, first: usize) -> Result<Judged, Error> {
    Ok(Judged {
        health_score: row.integer(first)?,
        is_stale: row.flag(first + 1)?,
        is_duplicate: row.flag(first + 2)?,
    })
}

/// `None` also when the agent is another organisation's.
pub async fn find(
    db: &impl Db,
    org: &OrgId,
    id: &AgentId,
    now: Timestamp,
) -> Result<Option<Agent>, Error> {
    let week = Window::week(now);
    let params =
        [id.into(), org.into(), week.first_day.into(), week.first_share.into(), week.since.into()];
    let rows = db
        .query(
            concat!(
                "SELECT id, org_id, hostname, os, arch, agent_version, status, last_heartbeat_at, last_heartbeat,
                        enrolled_at, enrolled_by, tags, created_at, updated_at, pending_key_digest IS NOT NULL,
                        rejected_since, previous_key_expires_at, ",
                judged_columns!("?3", "?4", "?5"),
                " FROM agents WHERE id = ?1 AND org_id = ?2"
            ),
            &params,
        )
        .await?;
    rows.into_iter().next().map(|row| decode(row, now)).transpose()
}

fn decode(mut row: Row, now: Timestamp) -> Result<Agent, Error> {
    let status = row.parsed(6)?;
    let last_heartbeat_at = row.optional_timestamp(7)?;
    Ok(Agent {
        id: AgentId(row.text(0)?),
        org: OrgId(row.text(1)?),
        hostname: row.text(2)?,
        platform: Platform { os: row.parsed(3)?, arch: row.parsed(4)? },
        agent_version: row.text(5)?,
        status,
        last_heartbeat_at,
        last_heartbeat: row.optional_text(8)?,
        enrolled_at: row.timestamp(9)?,
        enrolled_by: row.optional_text(10)?,
        tags: row.text(11)?,
        created_at: row.timestamp(12)?,
        updated_at: row.timestamp(13)?,
        rotation_pending: row.flag(14)?,
        is_online: is_online(status, last_heartbeat_at, now),
        rejected_since: row.optional_timestamp(15)?,
        previous_key_expires_at: row.optional_timestamp(16)?.filter(|it| *it > now),
        judged: decode_judged(&mut row, 17)?,
    })
}

#[cfg(test)]
mod tests;
