//! The mean score of a fleet. That of a large one would take every reader a third of a second:
//! maintenance finds it now and then, in `fleet_scores`, which readers believe for an hour. Nobody's
//! score is from less than a week, so that it is hardly ever off by a point.

use domain::{
    health::Window,
    ids::OrgId,
    time::{Span, Timestamp},
};

use crate::{Db, Error, agents::health, only};

/// Active agents from which on a mean is kept.
const LARGE: u64 = 3000;
const BELIEVED: Span = Span::hours(1);
const RENEWED: Span = Span::seconds(600);

/// `active` is how many active agents there are.
pub(super) async fn average(
    db: &impl Db,
    org: &OrgId,
    active: u64,
    now: Timestamp,
) -> Result<Option<f64>, Error> {
    if active > LARGE
        && let Some(kept) = find(db, org, now).await?
    {
        return Ok(Some(kept));
    }
    judge(db, org, now).await
}

async fn find(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<Option<f64>, Error> {
    let sql = "SELECT average_score FROM fleet_scores WHERE org_id = ?1 AND judged_at > ?2";
    let rows = db.query(sql, &[org.into(), (now - BELIEVED).into()]).await?;
    rows.into_iter().next().map_or(Ok(None), |mut row| row.optional_real(0))
}

/// Reads the week of every active agent.
async fn judge(db: &impl Db, org: &OrgId, now: Timestamp) -> Result<Option<f64>, Error> {
    let week = Window::week(now);
    let rows = db
        .query(
            concat!(
                "SELECT avg(score) FROM (SELECT ",
                health::score!("agents.id", "?2", "?3"),
                " AS score FROM agents WHERE org_id = ?1 AND status = 'active')"
            ),
            &[org.into(), week.first_day.into(), week.first_share.into()],
        )
        .await?;
    only(rows)?.optional_real(0)
}

/// Finds the mean of the large organisation whose figure is the oldest, unless that is young enough.
/// It is read before it is written, so that nobody waits for the writer; the newest figure stays.
pub async fn record_oldest(db: &impl Db, now: Timestamp) -> Result<bool, Error> {
    let rows = db
        .query(
            "SELECT org_id
               FROM (SELECT org_id FROM agent_counts WHERE status = 'active'
                      GROUP BY org_id HAVING sum(agents) > ?1)
                    LEFT JOIN fleet_scores USING (org_id)
              WHERE judged_at IS NULL OR judged_at <= ?2
           ORDER BY judged_at LIMIT 1",
            &[LARGE.into(), (now - RENEWED).into()],
        )
        .await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(false) };
    let org = OrgId(row.text(0)?);
    let Some(average) = judge(db, &org, now).await? else { return Ok(false) };
    let rows = db
        .query(
            "INSERT INTO fleet_scores (org_id, average_score, judged_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (org_id) DO UPDATE
                SET average_score = excluded.average_score, judged_at = excluded.judged_at
              WHERE excluded.judged_at > judged_at
          RETURNING 1",
            &[(&org).into(), average.into(), now.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{NOW, plan, run},
        native::Memory,
    };

    async fn fleet(agents: u64) -> Memory {
        let db = Memory::migrated();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                   INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, enrolled_at, created_at,
                                       updated_at, key_digest)
                   SELECT 'a' || i, 'org', 'h' || i, 'linux', 'amd64', '1', 1, 1, 1, zeroblob(32) FROM n";
        run(&db, sql, &[agents.into()]).await;
        db
    }

    async fn read(db: &Memory, now: Timestamp) -> f64 {
        crate::fleet::health(db, &"org".into(), now).await.unwrap().average_score.unwrap()
    }

    async fn silence_all(db: &Memory) {
        let sql = "INSERT INTO agent_days (agent_id, day, silences) SELECT id, ?1 / 86400000, 10 FROM agents";
        run(db, sql, &[NOW.into()]).await;
    }

    #[tokio::test]
    async fn a_large_fleet_is_judged_by_maintenance_and_believed_for_an_hour() {
        let db = fleet(LARGE + 1).await;
        assert!(record_oldest(&db, NOW).await.unwrap());
        assert!(!record_oldest(&db, NOW + Span::seconds(599)).await.unwrap());
        silence_all(&db).await;
        assert!((read(&db, NOW + Span::seconds(3599)).await - 60.0).abs() < 0.1);
        assert!((read(&db, NOW + Span::seconds(3600)).await - 30.0).abs() < 0.1);
        assert!(record_oldest(&db, NOW + Span::seconds(600)).await.unwrap());
        assert!((read(&db, NOW + Span::seconds(601)).await - 30.0).abs() < 0.1);
    }

    #[tokio::test]
    async fn a_small_fleet_is_judged_by_its_reader() {
        let db = fleet(3).await;
        assert!(!record_oldest(&db, NOW).await.unwrap());
        silence_all(&db).await;
        assert!((read(&db, NOW).await - 30.0).abs() < 0.1);
    }

    #[tokio::test]
    async fn a_figure_is_found_by_its_organisation() {
        plan(async |db| drop(find(db, &"org".into(), NOW).await)).await.never_scans();
    }
}
