//! `agents` as their operators see them.

use domain::{
    agents::{AgentStatus, RuntimeStatus, is_online, online_since},
    ids::{AgentId, OrgId},
    platform::{Os, Platform},
    time::Timestamp,
};

use crate::{Db, Error, Row, Value, only};

pub mod enrollment;
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
}

#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Without it decommissioned and uninstalled agents are left out.
    pub status: Option<AgentStatus>,
    pub os: Option<Os>,
    /// Substring, ASCII case ignored.
    pub hostname: Option<&'a str>,
    /// A whole tag.
    pub tag: Option<&'a str>,
    pub online_only: bool,
}

macro_rules! matching {
    () => {
        "org_id = ?1
         AND iif(?2 IS NULL, status NOT IN ('decommissioned', 'uninstalled'), status = ?2)
         AND (?3 IS NULL OR os = ?3)
         AND (?4 IS NULL OR instr(lower(hostname), lower(?4)) > 0)
         AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value = ?5))
         AND (?6 IS NULL OR status = 'active' AND last_heartbeat_at > ?6)"
    };
}

impl Filter<'_> {
    fn params(&self, org: &OrgId, now: Timestamp) -> Vec<Value> {
        vec![
            org.into(),
            self.status.map(AgentStatus::as_str).into(),
            self.os.map(Os::as_str).into(),
            self.hostname.into(),
            self.tag.into(),
            self.online_only.then(|| online_since(now)).into(),
        ]
    }
}

/// At most `limit` agents after the first `offset`: newest heartbeat first, never-seen last.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    (limit, offset): (u32, u32),
    now: Timestamp,
) -> Result<Vec<Summary>, Error> {
    let mut params = filter.params(org, now);
    params.extend([limit.into(), offset.into()]);
    let sql = concat!(
        "SELECT id, org_id, hostname, os, arch, agent_version, status,
                json_extract(last_heartbeat, '$.status'), last_heartbeat_at, tags,
                pending_key_digest IS NOT NULL, rejected_since
           FROM agents WHERE ",
        matching!(),
        " ORDER BY last_heartbeat_at DESC, id LIMIT ?7 OFFSET ?8"
    );
    let rows = db.query(sql, &params).await?;
    rows.into_iter().map(|row| decode_summary(row, now)).collect()
}

/// How many agents match.
pub async fn count(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    now: Timestamp,
) -> Result<u64, Error> {
    let sql = concat!("SELECT count(*) FROM agents WHERE ", matching!());
    only(db.query(sql, &filter.params(org, now)).await?)?.integer(0)
}

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
    })
}

/// `None` also when the agent is another organisation's.
pub async fn find(
    db: &impl Db,
    org: &OrgId,
    id: &AgentId,
    now: Timestamp,
) -> Result<Option<Agent>, Error> {
    let rows = db
        .query(
            "SELECT id, org_id, hostname, os, arch, agent_version, status, last_heartbeat_at, last_heartbeat,
                    enrolled_at, enrolled_by, tags, created_at, updated_at, pending_key_digest IS NOT NULL,
                    rejected_since
               FROM agents
              WHERE id = ?1 AND org_id = ?2",
            &[id.into(), org.into()],
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
    })
}

#[cfg(test)]
mod tests;
