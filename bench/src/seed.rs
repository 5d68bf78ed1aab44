//! A large organisation, written straight into the file: what hundreds of thousands of requests would
//! leave there. Triggers count and index it as they do for those.

use anyhow::Result;
use store::{Db as _, native::File};

use crate::{fleet::ORGANISATION, server::Installation};

pub(crate) const AGENTS: u32 = 100_000;
pub(crate) const TASKS: u32 = 300_000;
/// As many as one call makes.
const BATCH: u32 = 100;

const STATEMENTS: &[&str] = &[
    // Agents whose names sort as their numbers, of which one in fifty is gone.
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
     INSERT INTO agents (id, org_id, hostname, os, arch, agent_version, status, enrolled_at, created_at, updated_at, key_digest)
     SELECT printf('seed-%06d', n), ?1, printf('fleet-%06d', n), iif(n % 3 = 0, 'windows', 'linux'), 'amd64',
            '0.6.' || (n % 4), iif(n % 50 = 0, 'decommissioned', 'active'), ?3, ?3, ?3, randomblob(32)
       FROM numbers",
    // Most were heard of within minutes, one in ten long ago.
    "UPDATE agents
        SET last_heartbeat_at = ?3 - iif(rowid % 10 = 0, 864000000, 0) - abs(random() % 170000),
            last_heartbeat = json_object('status', 'idle', 'agent_version', '0.6.2', 'system', json_object(
              'hostname', hostname, 'os', 'linux', 'arch', 'amd64', 'uptime_seconds', 91234, 'cpu_percent', 7,
              'memory_mb', 6120, 'total_memory_mb', 16256, 'disk_free_mb', 81234))
      WHERE org_id = ?1 AND id LIKE 'seed-%' AND ?2 > 0",
    "UPDATE agents SET tags = '[\"edge\"]'
      WHERE org_id = ?1 AND id LIKE 'seed-%' AND rowid % 100 = 0 AND ?2 > 0 AND ?3 > 0",
    // A week of reports; four in five completed a test on one of its days.
    "INSERT INTO agent_days (agent_id, day, samples, completed, failed, silences, last_completed_at)
     SELECT agents.id, ?3 / 86400000 - days.value, 280, agents.rowid % 5 = days.value, agents.rowid % 17 = days.value,
            agents.rowid % 31 = days.value,
            iif(agents.rowid % 5 = days.value, ?3 - days.value * 86400000 - agents.rowid % 3600000, NULL)
       FROM agents CROSS JOIN json_each('[1, 2, 3, 4, 5, 6, 7]') AS days
      WHERE org_id = ?1 AND agents.id LIKE 'seed-%' AND ?2 > 0",
    "INSERT INTO tasks (id, agent_id, org_id, type, status, ended_by, payload, execution_timeout_seconds, ttl_seconds,
                        created_at, assigned_at, completed_at, expires_at, batch_id, ingested)
     SELECT printf('task-%06d', n), printf('seed-%06d', 1 + n % 100000), ?1,
            CASE WHEN n % 10 < 7 THEN 'execute_test' WHEN n % 10 < 9 THEN 'execute_command' ELSE 'update_agent' END,
            status, iif(status = 'pending', NULL, 'result'),
            CASE WHEN n % 10 < 7
              THEN json_object('test_uuid', printf('%08x-0000-4000-8000-000000000000', n % 400), 'test_name',
                               'T' || (1000 + n % 400) || ' a test of the library', 'binary_name', 'test', 'arguments', json_array())
              ELSE json_object('command', iif(n % 10 < 9, 'command ' || (n % 1000), '')) END,
            300, 86400, at, at, iif(status IN ('completed', 'failed'), at + 60000, NULL), ?3 + 86400000,
            printf('batch-%05d', n / ?4), 1
       FROM (WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2 - 1)
             SELECT n, ?3 - (?2 - n) * 4000 AS at,
                    CASE WHEN n > ?2 - 5000 THEN 'pending' WHEN n % 12 = 0 THEN 'failed'
                         WHEN n % 19 = 0 THEN 'expired' ELSE 'completed' END AS status
               FROM numbers)",
];

/// Adds the agents and tasks.
pub(crate) async fn plant(installation: &Installation) -> Result<()> {
    let database = File::open(&installation.database())?;
    let now = jiff::Timestamp::now().as_millisecond();
    for (place, sql) in STATEMENTS.iter().enumerate() {
        let is_of_tasks = place + 1 == STATEMENTS.len();
        let count = if is_of_tasks { TASKS } else { AGENTS };
        let mut params = vec![ORGANISATION.into(), count.into(), now.into()];
        params.extend(is_of_tasks.then(|| BATCH.into()));
        database.query(sql, &params).await?;
    }
    Ok(())
}

/// One person may not ask as often as a benchmark does.
pub(crate) async fn forget_budgets(installation: &Installation) -> Result<()> {
    File::open(&installation.database())?.query("DELETE FROM rate_limits", &[]).await?;
    Ok(())
}
