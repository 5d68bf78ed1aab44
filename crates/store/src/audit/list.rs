//! The log as its readers want it: filtered, newest first.

use domain::{
    audit::Record,
    ids::OrgId,
    time::{Span, Timestamp},
};

use super::{decode, record_columns};
use crate::{Db, Error, Row, Value, only};

/// How far the clocks of those who write at once may be apart.
const CLOCK_SLACK: Span = Span::days(1);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter<'a> {
    pub actor: Option<&'a str>,
    /// A whole action, or with a final full stop the beginning of several: `agent.`.
    pub action: Option<&'a str>,
    pub target_type: Option<&'a str>,
    pub target_id: Option<&'a str>,
    pub request_id: Option<&'a str>,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}

/// What an index may be used for, first; then everything that may be asked for.
macro_rules! matching {
    ($($index:literal, $lead:literal)?) => {
        concat!(
            " FROM audit_log ",
            $("INDEXED BY ", $index,)?
            " WHERE org_id = ?1 ",
            $($lead,)?
            " AND (?2 IS NULL OR actor = ?2)
              AND (?3 IS NULL OR action = ?3)
              AND (?4 IS NULL OR substr(action, 1, length(?4)) = ?4)
              AND (?5 IS NULL OR target_type = ?5)
              AND (?6 IS NULL OR target_id = ?6)
              AND (?7 IS NULL OR request_id = ?7)
              AND (?8 IS NULL OR at >= ?8)
              AND (?9 IS NULL OR at < ?9)
              AND seq < ?10"
        )
    };
}

macro_rules! statements {
    ($($index:literal, $lead:literal)?) => {
        [
            concat!("SELECT count(*)", matching!($($index, $lead)?)),
            concat!("SELECT ", record_columns!(), matching!($($index, $lead)?),
                    " AND seq > ?12 ORDER BY seq DESC LIMIT ?11"),
        ]
    };
}

impl Filter<'_> {
    /// Counting and listing, by the filter that leaves the fewest rows.
    fn statements(&self) -> [&'static str; 2] {
        if self.request_id.is_some() {
            statements!("audit_log_by_request", "AND request_id = ?7")
        } else if self.target_type.is_some() && self.target_id.is_some() {
            statements!("audit_log_by_target", "AND target_type = ?5 AND target_id = ?6")
        } else if self.actor.is_some() {
            statements!("audit_log_by_actor", "AND actor = ?2")
        } else if self.whole_action().is_some() {
            statements!("audit_log_by_action", "AND action = ?3")
        } else if self.is_of_time_alone() {
            let [_, list] = statements!();
            let [count, _] = statements!(
                "audit_log_by_time",
                "AND at >= ifnull(?8, 0) AND at < ifnull(?9, 9e18)"
            );
            [count, list]
        } else {
            statements!()
        }
    }

    fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// An index holds all that such a filter asks for.
    fn is_of_time_alone(&self) -> bool {
        *self == Filter { from: self.from, to: self.to, ..Filter::default() }
    }

    fn whole_action(&self) -> Option<&str> {
        self.action.filter(|it| !it.ends_with('.'))
    }

    fn params(&self, org: &OrgId, before: u64) -> Vec<Value> {
        vec![
            org.into(),
            self.actor.into(),
            self.whole_action().into(),
            self.action.filter(|it| it.ends_with('.')).into(),
            self.target_type.into(),
            self.target_id.into(),
            self.request_id.into(),
            self.from.into(),
            self.to.into(),
            i64::try_from(before).unwrap_or(i64::MAX).into(),
        ]
    }
}

/// How many rows of a lower number than `before` match. Without a filter nothing is counted: numbers
/// have no gap.
pub async fn count(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    before: u64,
) -> Result<u64, Error> {
    if filter.is_empty() {
        return Ok(last_seq(db, org).await?.min(before.saturating_sub(1)));
    }
    let [sql, _] = filter.statements();
    let rows = db.query(sql, &filter.params(org, before)).await?;
    only(rows)?.integer(0)
}

async fn last_seq(db: &impl Db, org: &OrgId) -> Result<u64, Error> {
    let rows =
        db.query("SELECT last_seq FROM audit_heads WHERE org_id = ?1", &[org.into()]).await?;
    rows.into_iter().next().map_or(Ok(0), |mut row| row.integer(0))
}

/// Between which numbers all rows are that were written at the times of the filter, both exclusive.
///
/// Times and numbers grow together but for what is written at once: clocks that differ by up to
/// [`CLOCK_SLACK`] are allowed for.
async fn bounds(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    before: u64,
) -> Result<(u64, u64), Error> {
    let (mut above, mut below) = (0, before);
    if let Some(from) = filter.from {
        let sql = "SELECT seq FROM audit_log INDEXED BY audit_log_by_time
                    WHERE org_id = ?1 AND at < ?2 ORDER BY at DESC LIMIT 1";
        let rows = db.query(sql, &[org.into(), (from - CLOCK_SLACK).into()]).await?;
        above = rows.into_iter().next().map_or(Ok(above), |mut row| row.integer(0))?;
    }
    if let Some(to) = filter.to {
        let sql = "SELECT seq FROM audit_log INDEXED BY audit_log_by_time
                    WHERE org_id = ?1 AND at >= ?2 ORDER BY at LIMIT 1";
        let rows = db.query(sql, &[org.into(), (to + CLOCK_SLACK).into()]).await?;
        below = rows.into_iter().next().map_or(Ok(below), |mut row| row.integer(0))?.min(before);
    }
    Ok((above, below))
}

/// Newest first, of those of a lower number than `before`.
pub async fn list(
    db: &impl Db,
    org: &OrgId,
    filter: &Filter<'_>,
    before: u64,
    limit: u32,
) -> Result<Vec<Record>, Error> {
    let [_, sql] = filter.statements();
    let (above, below) = bounds(db, org, filter, before).await?;
    let mut params = filter.params(org, below);
    params.extend([limit.into(), i64::try_from(above).unwrap_or(i64::MAX).into()]);
    let rows: Vec<Row> = db.query(sql, &params).await?;
    rows.into_iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::Entry,
        fixtures::{NOW, agent, entry, other_agent, plan, run},
        native::Memory,
    };

    const ALL: u64 = u64::MAX;

    /// Four rows of `org`, a second apart, and one of another organisation.
    async fn log() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        other_agent(&db, "a2", "org", "key2").await;
        other_agent(&db, "b1", "other", "key3").await;
        for (number, (agent, action, actor)) in [
            ("a1", "agent.update", "ada"),
            ("a1", "agent.rotate-key", "bob"),
            ("a2", "agent.update", "bob"),
            ("a2", "agents.sweep", "cron"),
            ("b1", "agent.update", "ada"),
        ]
        .into_iter()
        .enumerate()
        {
            let entry = Entry {
                at: Timestamp(NOW.0 + 1000 * i64::try_from(number).unwrap()),
                actor: actor.to_owned(),
                request_id: format!("r{number}"),
                ..entry(action)
            };
            let sql = "UPDATE agents SET audit = ?1 WHERE id = ?2";
            run(&db, sql, &[(&entry).into(), agent.into()]).await;
        }
        db
    }

    async fn check(db: &Memory, filter: Filter<'_>, expected: &[u64]) {
        let org = "org".into();
        let found = list(db, &org, &filter, ALL, 9).await.unwrap();
        assert_eq!(found.iter().map(|it| it.seq).collect::<Vec<_>>(), expected, "{filter:?}");
        let counted = count(db, &org, &filter, ALL).await.unwrap();
        assert_eq!(counted, expected.len() as u64, "{filter:?}");
    }

    #[tokio::test]
    async fn each_filter_leaves_what_it_names() {
        let db = log().await;
        let none = Filter::default;
        check(&db, none(), &[4, 3, 2, 1]).await;
        check(&db, Filter { actor: Some("bob"), ..none() }, &[3, 2]).await;
        check(&db, Filter { action: Some("agent.update"), ..none() }, &[3, 1]).await;
        check(&db, Filter { action: Some("agent."), ..none() }, &[3, 2, 1]).await;
        check(&db, Filter { action: Some("agent"), ..none() }, &[]).await;
        check(&db, Filter { target_id: Some("a2"), ..none() }, &[4, 3]).await;
        let of_a2 = Filter { target_type: Some("agent"), target_id: Some("a2"), ..none() };
        check(&db, Filter { actor: Some("bob"), ..of_a2 }, &[3]).await;
        check(&db, Filter { request_id: Some("r1"), ..none() }, &[2]).await;
        // Of the other organisation.
        check(&db, Filter { request_id: Some("r4"), ..none() }, &[]).await;
        let at = |number: i64| Some(Timestamp(NOW.0 + 1000 * number));
        check(&db, Filter { from: at(1), to: at(3), ..none() }, &[3, 2]).await;
    }

    /// Twenty days of a row each: the bounds may leave nothing out.
    #[tokio::test]
    async fn a_time_long_ago_is_found_among_its_own() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        let day = |it: i64| NOW + Span::days(it);
        for number in 0..20 {
            let entry = Entry { at: day(number), ..entry("agent.update") };
            run(&db, "UPDATE agents SET audit = ?1", &[(&entry).into()]).await;
        }
        let of =
            |from, to| Filter { from: Some(day(from)), to: Some(day(to)), ..Filter::default() };
        check(&db, of(3, 6), &[6, 5, 4]).await;
        check(&db, of(0, 2), &[2, 1]).await;
        check(&db, of(18, 99), &[20, 19]).await;
        check(&db, of(30, 99), &[]).await;
        let bounds = async |filter| bounds(&db, &"org".into(), &filter, ALL).await.unwrap();
        assert_eq!(bounds(of(3, 6)).await, (2, 8));
        assert_eq!(bounds(Filter { actor: Some("user"), ..of(18, 99) }).await, (17, ALL));
        assert_eq!(bounds(Filter::default()).await, (0, ALL));
    }

    #[tokio::test]
    async fn the_whole_log_is_never_counted() {
        let db = log().await;
        let org = "org".into();
        let all = Filter::default();
        let counted = async |before| count(&db, &org, &all, before).await.unwrap();
        assert_eq!((counted(ALL).await, counted(3).await, counted(9).await), (4, 2, 4));
        assert_eq!(count(&db, &"nobody".into(), &all, ALL).await.unwrap(), 0);
        let planned = plan(async |db| drop(count(db, &org, &all, ALL).await)).await;
        assert_eq!(planned.times("audit_log"), 0);
        planned.never_scans();
    }

    #[tokio::test]
    async fn a_page_goes_on_where_the_last_ended() {
        let db = log().await;
        let page = async |before| {
            let found = list(&db, &"org".into(), &Filter::default(), before, 2).await.unwrap();
            found.into_iter().map(|it| it.seq).collect::<Vec<_>>()
        };
        assert_eq!(
            (page(ALL).await, page(3).await, page(1).await),
            (vec![4, 3], vec![2, 1], vec![])
        );
    }

    #[tokio::test]
    async fn each_filter_has_its_index() {
        let some = |of: fn(&mut Filter<'static>)| {
            let mut filter = Filter::default();
            of(&mut filter);
            filter
        };
        for (filter, index) in [
            (some(|it| it.request_id = Some("r")), "audit_log_by_request"),
            (some(|it| it.actor = Some("a")), "audit_log_by_actor"),
            (some(|it| it.action = Some("a.b")), "audit_log_by_action"),
            (
                some(|it| (it.target_type, it.target_id) = (Some("a"), Some("b"))),
                "audit_log_by_target",
            ),
        ] {
            let plan = plan(async |db| drop(list(db, &"org".into(), &filter, ALL, 9).await)).await;
            plan.uses(index).never_scans();
        }
        plan(async |db| drop(list(db, &"org".into(), &Filter::default(), ALL, 9).await))
            .await
            .never_scans();
        let of_a_time = some(|it| (it.from, it.to) = (Some(NOW), Some(NOW)));
        for planned in [
            plan(async |db| drop(list(db, &"org".into(), &of_a_time, ALL, 9).await)).await,
            plan(async |db| drop(count(db, &"org".into(), &of_a_time, ALL).await)).await,
        ] {
            planned.uses("audit_log_by_time").never_scans();
        }
    }
}
