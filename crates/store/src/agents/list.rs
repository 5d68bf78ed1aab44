//! Pages of `agents` for their operators: newest heartbeat first, never-seen last.
//!
//! Totals come from what is counted already or from a narrow index. What a page reads depends on
//! them: the fleet in its order while matches are common, the matches alone while they are few.

use domain::{
    agents::{AgentStatus, online_since},
    health::Window,
    ids::{AgentId, OrgId},
    platform::Os,
    time::Timestamp,
};

use super::{Summary, decode_summary, health, judged_columns, summary_columns};
use crate::{Db, Error, Value, only};

#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Without it decommissioned and uninstalled agents are left out.
    pub status: Option<AgentStatus>,
    pub os: Option<Os>,
    /// Substring, ASCII case ignored.
    pub hostname: Option<&'a str>,
    /// A whole tag.
    pub tag: Option<&'a str>,
    pub online_only: bool,
    /// Active agents that were heard of and have completed nothing for a week.
    pub stale_only: bool,
}

/// The last agent that a reader has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub last_heartbeat_at: Option<Timestamp>,
    pub id: AgentId,
}

/// How many agents match, and how many there are at all, gone or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matches {
    pub total: u64,
    pub population: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub after: Option<&'a Position>,
    pub limit: u32,
    pub offset: u32,
}

/// Up to so many matches are looked up and sorted rather than waited for.
const FEW: u64 = 5000;

/// What all rows are tested for. Its parameters are those of [`Filter::params`].
macro_rules! named {
    () => {
        "status IN (?2, ?3) AND (?4 IS NULL OR os = ?4)
         AND (?5 IS NULL OR instr(lower(hostname), lower(?5)) > 0)"
    };
}

/// What only a whole row tells.
macro_rules! seen {
    () => {
        concat!(
            "(?7 IS NULL OR last_heartbeat_at > ?7)
             AND (?8 IS NULL OR (last_heartbeat_at IS NOT NULL AND ",
            health::idle_by_hour!("?8"),
            "))"
        )
    };
}

macro_rules! tagged {
    () => {
        "(?6 IS NULL
          OR EXISTS (SELECT 1 FROM agent_tags
                      WHERE agent_tags.org_id = ?1 AND tag = ?6 AND agent_tags.status = agents.status
                        AND agent_tags.os = agents.os AND agent_tags.hostname = agents.hostname
                        AND agent_id = agents.id))"
    };
}

/// Where matches are looked for.
macro_rules! source {
    (fleet) => {
        concat!("org_id = ?1 AND ", named!(), " AND ", tagged!(), " AND ", seen!())
    };
    (heard) => {
        concat!(
            "org_id = ?1 AND last_heartbeat_at > ?7 AND ",
            named!(),
            " AND ",
            tagged!(),
            " AND ",
            seen!()
        )
    };
    (names) => {
        concat!(
            "rowid IN (SELECT rowid FROM agents INDEXED BY agents_by_status WHERE org_id = ?1 AND ",
            named!(),
            ") AND ",
            tagged!(),
            " AND ",
            seen!()
        )
    };
    (idle) => {
        concat!(
            "rowid IN (SELECT rowid FROM ",
            health::idle_agents!("?8"),
            ") AND ",
            named!(),
            " AND ",
            tagged!(),
            " AND ",
            seen!()
        )
    };
    (tags) => {
        concat!(
            "id IN (SELECT agent_id FROM agent_tags WHERE org_id = ?1 AND tag = ?6 AND ",
            named!(),
            ") AND ",
            seen!()
        )
    };
}

macro_rules! position {
    (start) => {
        ""
    };
    (heard) => {
        " AND last_heartbeat_at <= ?12 AND (last_heartbeat_at < ?12 OR id > ?13)"
    };
    (unheard) => {
        " AND last_heartbeat_at IS NULL AND id > ?13"
    };
}

macro_rules! page {
    ($source:ident, $position:ident) => {
        concat!(
            "SELECT ",
            summary_columns!("?9", "?10", "?11"),
            " FROM agents WHERE ",
            source!($source),
            position!($position),
            " ORDER BY last_heartbeat_at DESC, id LIMIT ?14 OFFSET ?15"
        )
    };
    ($source:ident of $position:expr) => {
        match $position {
            None => page!($source, start),
            Some(Position { last_heartbeat_at: Some(_), .. }) => page!($source, heard),
            Some(Position { last_heartbeat_at: None, .. }) => page!($source, unheard),
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Fleet,
    Heard,
    Names,
    Idle,
    Tags,
}

impl Filter<'_> {
    /// The statuses that match; none where the filter contradicts itself.
    fn statuses(&self) -> Option<[AgentStatus; 2]> {
        use AgentStatus::{Active, Disabled};
        match (self.status, self.online_only || self.stale_only) {
            (None | Some(Active), true) => Some([Active, Active]),
            (Some(_), true) => None,
            (None, false) => Some([Active, Disabled]),
            (Some(status), false) => Some([status, status]),
        }
    }

    fn params(&self, org: &OrgId, [one, other]: [AgentStatus; 2], now: Timestamp) -> Vec<Value> {
        let week = Window::week(now);
        vec![
            org.into(),
            one.as_str().into(),
            other.as_str().into(),
            self.os.map(Os::as_str).into(),
            self.hostname.into(),
            self.tag.into(),
            self.online_only.then(|| online_since(now)).into(),
            self.stale_only.then_some(week.since).into(),
        ]
    }

    fn is_plain(&self) -> bool {
        self.hostname.is_none() && self.tag.is_none() && !self.online_only && !self.stale_only
    }

    /// Nothing but who is online.
    fn is_presence(&self) -> bool {
        self.online_only && !self.stale_only && self.is_of_any_name()
    }

    /// Nothing but who is idle.
    fn is_idleness(&self) -> bool {
        self.stale_only && !self.online_only && self.is_of_any_name()
    }

    fn is_of_any_name(&self) -> bool {
        self.hostname.is_none() && self.tag.is_none() && self.os.is_none()
    }

    fn source(&self, Matches { total, population }: Matches, wanted: Wanted<'_>) -> Source {
        let read_in_order = u64::from(wanted.limit.saturating_add(wanted.offset))
            .saturating_mul(population / total.max(1));
        match self.tag {
            _ if self.online_only => Source::Heard,
            _ if total > FEW || read_in_order <= total => Source::Fleet,
            Some(_) => Source::Tags,
            None if self.is_idleness() => Source::Idle,
            None => Source::Names,
        }
    }
}

/// At most `wanted.limit` agents: after a position, or after the first `wanted.offset`.
/// What [`count`] said decides only how they are found.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    wanted: Wanted<'_>,
    matches: Matches,
    now: Timestamp,
) -> Result<Vec<Summary>, Error> {
    let Some(statuses) = filter.statuses() else { return Ok(Vec::new()) };
    let source = filter.source(matches, wanted);
    let mut params = filter.params(org, statuses, now);
    let mut listed = run(db, source, &mut params, wanted, now).await?;
    // What was never heard of stands behind all that was.
    let found = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    let missing = wanted.limit.saturating_sub(found);
    let in_heard = wanted.after.is_some_and(|it| it.last_heartbeat_at.is_some());
    if in_heard && missing > 0 && !filter.online_only {
        let first = Position { last_heartbeat_at: None, id: AgentId(String::new()) };
        let rest = Wanted { after: Some(&first), limit: missing, offset: 0 };
        listed.extend(run(db, source, &mut params, rest, now).await?);
    }
    Ok(listed)
}

async fn run(
    db: &impl Db,
    source: Source,
    params: &mut Vec<Value>,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Vec<Summary>, Error> {
    let sql = match source {
        Source::Fleet => page!(fleet of wanted.after),
        Source::Heard => page!(heard of wanted.after),
        Source::Names => page!(names of wanted.after),
        Source::Idle => page!(idle of wanted.after),
        Source::Tags => page!(tags of wanted.after),
    };
    let week = Window::week(now);
    params.truncate(8);
    params.extend([
        week.first_day.into(),
        week.first_share.into(),
        week.since.into(),
        wanted.after.and_then(|it| it.last_heartbeat_at).into(),
        wanted.after.map(|it| &it.id).into(),
        wanted.limit.into(),
        wanted.offset.into(),
    ]);
    let rows = db.query(sql, params).await?;
    rows.into_iter().map(|row| decode_summary(row, now)).collect()
}

macro_rules! total {
    ($($what:expr),+) => {
        concat!(
            "SELECT (SELECT coalesce(sum(agents), 0) FROM agent_counts WHERE org_id = ?1), ",
            $($what),+
        )
    };
}

/// How many agents match.
pub async fn count(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    now: Timestamp,
) -> Result<Matches, Error> {
    let Some(statuses) = filter.statuses() else { return Ok(Matches::default()) };
    let mut params = filter.params(org, statuses, now);
    let (sql, used) = match filter {
        it if it.is_plain() => (
            total!(
                "(SELECT coalesce(sum(agents), 0) FROM agent_counts
                   WHERE org_id = ?1 AND status IN (?2, ?3) AND (?4 IS NULL OR os = ?4))"
            ),
            4,
        ),
        it if it.is_presence() => (
            total!(
                "(SELECT count(*) FROM agents INDEXED BY agents_by_org
                   WHERE org_id = ?1 AND last_heartbeat_at > ?7 AND status = 'active')"
            ),
            7,
        ),
        it if it.is_idleness() => {
            (total!("(SELECT count(*) FROM ", health::idle_agents!("?8"), ")"), 8)
        }
        it if it.online_only => {
            (total!("(SELECT count(*) FROM agents WHERE ", source!(heard), ")"), 8)
        }
        it if it.stale_only => {
            (total!("(SELECT count(*) FROM agents WHERE ", source!(names), ")"), 8)
        }
        it if it.tag.is_some() => (
            total!(
                "(SELECT count(*) FROM agent_tags WHERE org_id = ?1 AND tag = ?6 AND ",
                named!(),
                ")"
            ),
            6,
        ),
        _ => (
            total!(
                "(SELECT count(*) FROM agents INDEXED BY agents_by_status WHERE org_id = ?1 AND ",
                named!(),
                ")"
            ),
            5,
        ),
    };
    params.truncate(used);
    let mut row = only(db.query(sql, &params).await?)?;
    Ok(Matches { population: row.integer(0)?, total: row.integer(1)? })
}
