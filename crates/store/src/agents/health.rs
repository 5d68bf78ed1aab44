//! Scores and idleness of agents, from `agent_days` and what `agents` keeps of it.
//!
//! The formula is the domain's ([`domain::health::Week::score`]); it stands here once more because
//! a page and a mean are sorted and summed where the numbers are. A test compares the two.

/// The score of the agent `$agent` over the days from `$first`, of which `$share` counts.
macro_rules! score {
    ($agent:literal, $first:literal, $share:literal) => {
        concat!(
            "(SELECT CAST(round(40.0 * min(1.0, coalesce(sum(samples * share), 0.0) / 2016.0)
                              + 30.0 * coalesce(sum(completed * share) / nullif(sum((completed + failed) * share), 0.0), 1.0)
                              + 30.0 * (1.0 - min(1.0, coalesce(sum(silences * share), 0.0) / 10.0))) AS INTEGER)
                FROM (SELECT samples, completed, failed, silences, iif(day = ",
            $first,
            ", ",
            $share,
            ", 1.0) AS share FROM agent_days WHERE agent_id = ",
            $agent,
            " AND day >= ",
            $first,
            "))"
        )
    };
}

/// Whether the agent of the row `agents` has been heard of, but has completed nothing since `$since`.
macro_rules! idle {
    ($since:literal) => {
        concat!(
            "(last_heartbeat_at IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM agent_days
                               WHERE agent_id = agents.id AND day >= ",
            $since,
            " / 86400000 AND last_completed_at > ",
            $since,
            "))"
        )
    };
}

/// [`idle`] by the hour of the last test that was completed. Only where the line runs through that
/// hour the days are asked.
macro_rules! idle_by_hour {
    ($since:literal) => {
        concat!(
            "(completed_hour <= ",
            $since,
            " / 3600000 AND (completed_hour < ",
            $since,
            " / 3600000 OR ",
            health::idle!($since),
            "))"
        )
    };
}

/// What the index `agents_idle` has of the organisation `?1`.
macro_rules! idle_agents {
    ($since:literal) => {
        concat!(
            "agents INDEXED BY agents_idle
              WHERE org_id = ?1 AND status = 'active' AND heard = 1 AND ",
            health::idle_by_hour!($since)
        )
    };
}

pub(crate) use {idle, idle_agents, idle_by_hour, score};

#[cfg(test)]
mod tests {
    use domain::{
        health::{Week, Window},
        time::{Span, Timestamp},
    };
    use proptest::prelude::*;

    use crate::{
        Db as _, Value,
        agents::find,
        fixtures::{NOW, agent, integer, run, task, update_agent},
        native::Memory,
    };

    async fn score_of(db: &Memory, now: Timestamp) -> u8 {
        find(db, &"org".into(), &"a1".into(), now).await.unwrap().unwrap().judged.health_score
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_statement_scores_as_the_domain_does(
            days in prop::collection::vec((0_u32..400, 0_u32..9, 0_u32..9, 0_u32..4), 1..9),
            offset in 0_i64..86_400_000,
        ) {
            let now = Timestamp(NOW.0 + offset);
            let window = Window::week(now);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let scored = runtime.block_on(async {
                let db = Memory::migrated();
                agent(&db, "key").await;
                let sql = "INSERT INTO agent_days (agent_id, day, samples, completed, failed, silences)
                           VALUES ('a1', ?1, ?2, ?3, ?4, ?5)";
                for (day, it) in (window.first_day - 1..).zip(&days) {
                    let counts = [it.0, it.1, it.2, it.3].map(Value::from);
                    let params = [vec![Value::from(day)], counts.to_vec()].concat();
                    db.query(sql, &params).await.unwrap();
                }
                score_of(&db, now).await
            });
            let mut week = Week::default();
            for (day, it) in (window.first_day - 1..).zip(days).skip(1) {
                let share = if day == window.first_day { window.first_share } else { 1.0 };
                week.samples += share * f64::from(it.0);
                week.completed += share * f64::from(it.1);
                week.failed += share * f64::from(it.2);
                week.silences += share * f64::from(it.3);
            }
            // Sums of doubles may fall on either side of a half.
            prop_assert!(scored.abs_diff(week.score()) <= 1);
        }
    }

    #[tokio::test]
    async fn a_new_agent_starts_at_sixty_and_a_silence_costs_three() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        assert_eq!(score_of(&db, NOW).await, 60);
        update_agent(&db, "offline_at", NOW).await;
        assert_eq!(score_of(&db, NOW).await, 57);
    }

    #[tokio::test]
    async fn samples_are_counted_by_day_for_agent_and_fleet() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        for minutes in [0, 1, 5, 10] {
            update_agent(&db, "last_heartbeat_at", NOW + Span::seconds(60 * minutes)).await;
        }
        assert_eq!(integer(&db, "SELECT sum(samples) FROM agent_days").await, Some(3));
        assert_eq!(integer(&db, "SELECT sum(samples) FROM fleet_days").await, Some(3));
    }

    #[tokio::test]
    async fn a_late_result_counts_as_a_success_and_no_longer_as_a_failure() {
        let db = Memory::migrated();
        agent(&db, "key").await;
        task(&db, "t1", "executing").await;
        let end =
            "UPDATE tasks SET status = ?1, ended_by = 'result', completed_at = ?2 WHERE id = 't1'";
        run(&db, end, &["failed".into(), NOW.into()]).await;
        assert_eq!(score_of(&db, NOW).await, 30);
        let later = NOW + Span::days(1);
        run(&db, end, &["completed".into(), later.into()]).await;
        assert_eq!(score_of(&db, later).await, 60);
        let counts = "SELECT sum(completed) * 10 + sum(failed) FROM agent_days";
        assert_eq!(integer(&db, counts).await, Some(10));
    }
}
