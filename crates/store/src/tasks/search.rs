//! What a search for tasks finds: those about a test or a command of such words, and those of agents
//! of such names. ASCII case is ignored.
//!
//! Words are looked for in `task_subjects`, where each stands once, and among the agents' names, in
//! their index; no payload is read. That costs as much as there are subjects and agents, whatever
//! the number of tasks.

use domain::ids::OrgId;

use crate::{Db, Error, only};

/// What the other macros refer to. The words are `?5`.
macro_rules! wanted_words {
    () => {
        "WITH subjects AS MATERIALIZED (
           SELECT id, tasks FROM task_subjects
            WHERE org_id = ?1
              AND (instr(lower(test_name), lower(?5)) > 0 OR instr(lower(command), lower(?5)) > 0)),
         hosts AS MATERIALIZED (
           SELECT id FROM agents
            WHERE rowid IN (SELECT rowid FROM agents INDEXED BY agents_by_status
                             WHERE org_id = ?1 AND instr(lower(hostname), lower(?5)) > 0)) "
    };
}

/// Whether a task is one of them.
macro_rules! searched {
    () => {
        "(tasks.subject_id IN (SELECT id FROM subjects) OR tasks.agent_id IN (SELECT id FROM hosts))"
    };
}

/// The rows of them all.
macro_rules! found {
    () => {
        "SELECT named.rowid FROM subjects
                CROSS JOIN tasks AS named ON named.org_id = ?1 AND named.subject_id = subjects.id
          UNION ALL
         SELECT owned.rowid FROM hosts CROSS JOIN tasks AS owned ON owned.agent_id = hosts.id"
    };
}

pub(super) use {found, searched, wanted_words};

/// How many tasks there are of these words. While few agents have such a name theirs are looked up,
/// else one index is read whole.
pub(super) async fn count(db: &impl Db, org: &OrgId, words: &str) -> Result<u64, Error> {
    let sql = concat!(
        wanted_words!(),
        "SELECT CASE WHEN (SELECT count(*) FROM hosts) <= 1000
           THEN (SELECT coalesce(sum(tasks), 0) FROM subjects)
              + (SELECT count(*) FROM hosts CROSS JOIN tasks ON tasks.agent_id = hosts.id
                  WHERE tasks.subject_id NOT IN (SELECT id FROM subjects))
           ELSE (SELECT count(*) FROM tasks INDEXED BY tasks_by_subject
                  WHERE tasks.org_id = ?1 AND ",
        searched!(),
        ") END, ?2, ?3, ?4"
    );
    let nothing = crate::Value::Null;
    let params = [org.into(), nothing.clone(), nothing.clone(), nothing, words.into()];
    only(db.query(sql, &params).await?)?.integer(0)
}
