//! What people do to `agents`: status and tags, of one or of many at once. Each is one statement that
//! changes whom it may; whoever is not returned was not changed, and [`list_candidates`] tells why.

use domain::{
    agents::{AgentStatus, MOST_TAGS},
    ids::{AgentId, OrgId},
};

use crate::{Db, Error, Row, Value, audit::Entry};

/// Whose agents, which, and who says so. One call is one entry: it goes to the first agent that changes.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub org: &'a OrgId,
    /// A JSON array of ids.
    pub agents: &'a str,
    pub entry: &'a Entry,
}

/// An agent, as far as it decides what may be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: AgentId,
    pub status: AgentStatus,
    /// JSON, an array of texts.
    pub tags: String,
}

impl Order<'_> {
    fn params(self) -> Vec<Value> {
        vec![self.org.into(), self.agents.into(), self.entry.at.into(), self.entry.into()]
    }
}

/// Those of the order that `$guard` lets through. The entry is for the first of them, and lists them all
/// with the status that they had: `FROM` is read to its end before anything is written.
macro_rules! update {
    ($set:literal, $guard:literal) => {
        concat!(
            "UPDATE agents SET ",
            $set,
            ", updated_at = ?3,
               audit = iif(id = changing.first,
                           json_set(?4, '$.details', json_object('agents', json(changing.agents))), NULL)
               FROM (SELECT min(id) AS first, json_group_array(json_object('id', id, 'status', status)) AS agents
                       FROM (SELECT id, status FROM agents
                              WHERE org_id = ?1 AND id IN (SELECT value FROM json_each(?2)) AND ",
            $guard,
            ")) AS changing
              WHERE org_id = ?1 AND id IN (SELECT value FROM json_each(?2)) AND ",
            $guard,
            " RETURNING id, status, tags"
        )
    };
}

/// Sets status and tags; what is `None` stays. A status is given only to agents that are not gone
/// (D-35), tags to anybody.
pub async fn record_update(
    db: &impl Db,
    order: Order<'_>,
    status: Option<AgentStatus>,
    tags: Option<&str>,
) -> Result<Vec<Candidate>, Error> {
    let sql = update!(
        "status = coalesce(?5, status), tags = coalesce(?6, tags)",
        "(?5 IS NULL OR status IN ('active', 'disabled'))"
    );
    let more = [status.map(AgentStatus::as_str).into(), tags.into()];
    run(db, sql, [order.params(), more.to_vec()].concat()).await
}

/// Sets another status than they have; of agents that are not gone.
pub async fn record_status(
    db: &impl Db,
    order: Order<'_>,
    status: AgentStatus,
) -> Result<Vec<Candidate>, Error> {
    let sql = update!("status = ?5", "status IN ('active', 'disabled') AND status <> ?5");
    run(db, sql, [order.params(), vec![status.as_str().into()]].concat()).await
}

/// Adds a tag at the end; to agents that lack it and have room for it.
pub async fn record_tag(
    db: &impl Db,
    order: Order<'_>,
    tag: &str,
) -> Result<Vec<Candidate>, Error> {
    let sql = update!(
        "tags = json_insert(tags, '$[#]', ?5)",
        "json_array_length(tags) < ?6 AND NOT EXISTS (SELECT 1 FROM json_each(tags) AS own WHERE own.value = ?5)"
    );
    let more = vec![tag.into(), u32::try_from(MOST_TAGS).unwrap_or(u32::MAX).into()];
    run(db, sql, [order.params(), more].concat()).await
}

/// Removes a tag, however often it is there; from agents that have it.
pub async fn delete_tag(
    db: &impl Db,
    order: Order<'_>,
    tag: &str,
) -> Result<Vec<Candidate>, Error> {
    let sql = update!(
        "tags = (SELECT json_group_array(kept.value)
                   FROM (SELECT value FROM json_each(agents.tags) WHERE value <> ?5 ORDER BY key) AS kept)",
        "EXISTS (SELECT 1 FROM json_each(tags) AS own WHERE own.value = ?5)"
    );
    run(db, sql, [order.params(), vec![tag.into()]].concat()).await
}

/// How those of the ids stand that this organisation has.
pub async fn list_candidates(
    db: &impl Db,
    org: &OrgId,
    agents: &str,
) -> Result<Vec<Candidate>, Error> {
    let sql = "SELECT agents.id, status, tags
                 FROM json_each(?1) AS wanted CROSS JOIN agents ON agents.id = wanted.value
                WHERE org_id = ?2";
    run(db, sql, vec![agents.into(), org.into()]).await
}

async fn run(db: &impl Db, sql: &str, params: Vec<Value>) -> Result<Vec<Candidate>, Error> {
    db.query(sql, &params).await?.into_iter().map(decode).collect()
}

fn decode(mut row: Row) -> Result<Candidate, Error> {
    Ok(Candidate { id: AgentId(row.text(0)?), status: row.parsed(1)?, tags: row.text(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{agent, entry, events, integer, other_agent, plan, task, text},
        native::Memory,
    };

    const BOTH: &str = r#"["a1","a2","foreign","nobody"]"#;

    async fn fleet() -> Memory {
        let db = Memory::migrated();
        agent(&db, "k1").await;
        other_agent(&db, "a2", "org", "k2").await;
        other_agent(&db, "foreign", "other", "k3").await;
        db
    }

    async fn ordered<T>(agents: &str, work: impl AsyncFnOnce(Order<'_>) -> T) -> T {
        let (org, entry) = ("org".into(), entry("agent.update"));
        work(Order { org: &org, agents, entry: &entry }).await
    }

    fn ids(candidates: Vec<Candidate>) -> Vec<String> {
        let mut ids: Vec<_> = candidates.into_iter().map(|it| it.id.0).collect();
        ids.sort();
        ids
    }

    async fn tagged(db: &Memory, agents: &str, tag: &str) -> Vec<String> {
        ids(ordered(agents, async |it| record_tag(db, it, tag).await.unwrap()).await)
    }

    async fn untagged(db: &Memory, agents: &str, tag: &str) -> Vec<String> {
        ids(ordered(agents, async |it| delete_tag(db, it, tag).await.unwrap()).await)
    }

    async fn status(db: &Memory, agents: &str, status: AgentStatus) -> Vec<String> {
        ids(ordered(agents, async |it| record_status(db, it, status).await.unwrap()).await)
    }

    async fn tags(db: &Memory) -> String {
        text(db, "SELECT tags FROM agents WHERE id = 'a1'").await.unwrap()
    }

    #[tokio::test]
    async fn tags_of_two_writers_are_both_kept() {
        // D-75: neither reads what it writes.
        let db = fleet().await;
        assert_eq!(tagged(&db, r#"["a1"]"#, "one").await, ["a1"]);
        assert_eq!(tagged(&db, BOTH, "two").await, ["a1", "a2"]);
        assert_eq!(tags(&db).await, r#"["one","two"]"#);
        assert!(tagged(&db, BOTH, "two").await.is_empty());
        assert_eq!(untagged(&db, BOTH, "one").await, ["a1"]);
        assert!(untagged(&db, BOTH, "tw").await.is_empty());
        assert_eq!(tags(&db).await, r#"["two"]"#);
        let index = "SELECT count(*) FROM agent_tags WHERE tag = 'two'";
        assert_eq!(integer(&db, index).await, Some(2));
    }

    #[tokio::test]
    async fn an_agent_has_room_for_so_many_tags() {
        let db = fleet().await;
        for number in 0..MOST_TAGS {
            assert_eq!(tagged(&db, r#"["a1"]"#, &number.to_string()).await, ["a1"]);
        }
        assert_eq!(tagged(&db, BOTH, "more").await, ["a2"]);
    }

    #[tokio::test]
    async fn a_status_changes_once_and_never_for_those_who_are_gone() {
        // D-35, D-36
        let db = fleet().await;
        task(&db, "t1", "pending").await;
        assert_eq!(status(&db, BOTH, AgentStatus::Disabled).await, ["a1", "a2"]);
        assert!(status(&db, BOTH, AgentStatus::Disabled).await.is_empty());
        assert_eq!(status(&db, r#"["a1"]"#, AgentStatus::Decommissioned).await, ["a1"]);
        assert_eq!(text(&db, "SELECT status FROM tasks").await.as_deref(), Some("expired"));
        assert_eq!(status(&db, BOTH, AgentStatus::Active).await, ["a2"]);
        assert_eq!(events(&db).await.last().unwrap(), "status_changed");
        let update = async |status| {
            ordered(BOTH, async |it| record_update(&db, it, status, Some("[]")).await.unwrap())
                .await
        };
        assert_eq!(ids(update(Some(AgentStatus::Active)).await), ["a2"]);
        assert_eq!(ids(update(None).await), ["a1", "a2"]);
    }

    #[tokio::test]
    async fn one_call_is_one_entry() {
        let db = fleet().await;
        let entries = async || integer(&db, "SELECT count(*) FROM audit_log").await;
        status(&db, BOTH, AgentStatus::Disabled).await;
        assert_eq!(entries().await, Some(1));
        status(&db, BOTH, AgentStatus::Disabled).await;
        assert_eq!(entries().await, Some(1));
        tagged(&db, r#"["a2","a1"]"#, "x").await;
        untagged(&db, BOTH, "x").await;
        assert_eq!(entries().await, Some(3));
        ordered(BOTH, async |it| record_update(&db, it, None, None).await.unwrap()).await;
        assert_eq!(entries().await, Some(4));
        status(&db, r#"["a2"]"#, AgentStatus::Active).await;
        status(&db, BOTH, AgentStatus::Decommissioned).await;
        let listed = "SELECT group_concat(it) FROM (
                SELECT seq || ' ' || (value ->> 'id') || ' ' || (value ->> 'status') AS it
                  FROM audit_log, json_each(after, '$.details.agents') WHERE seq IN (1, 5, 6) ORDER BY it)";
        let expected = "1 a1 active,1 a2 active,5 a2 disabled,6 a1 disabled,6 a2 active";
        assert_eq!(text(&db, listed).await.as_deref(), Some(expected));
        assert_eq!(integer(&db, "SELECT count(audit) FROM agents").await, Some(0));
    }

    #[tokio::test]
    async fn candidates_are_of_ones_own_only() {
        let db = fleet().await;
        let candidates = list_candidates(&db, &"org".into(), BOTH).await.unwrap();
        assert_eq!(ids(candidates), ["a1", "a2"]);
    }

    #[tokio::test]
    async fn changes_look_each_agent_up() {
        plan(async |db| {
            ordered(BOTH, async |it| {
                drop(record_update(db, it, None, None).await);
                drop(record_status(db, it, AgentStatus::Disabled).await);
                drop(record_tag(db, it, "x").await);
                drop(list_candidates(db, it.org, BOTH).await);
            })
            .await;
        })
        .await
        .never_scans();
    }
}
