//! What people write on a task. Appending is one statement, so no note is lost; the history is
//! capped (D-75).

use domain::{
    ids::{OrgId, TaskId},
    tasks::MOST_NOTES,
};

use super::{Task, decode, task_columns};
use crate::{Db, Error, audit::Entry};

/// What somebody adds to the notes of a task.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    pub content: &'a str,
    /// Names the writer and the time.
    pub entry: &'a Entry,
    /// How many notes there were when the writer looked; `None` when that does not matter.
    pub expected_count: Option<u32>,
}

/// Appends a note and returns the task. `None` when the organisation has no such task, or when
/// another note came first.
pub async fn append(
    db: &impl Db,
    org: &OrgId,
    id: &TaskId,
    note: Note<'_>,
) -> Result<Option<Task>, Error> {
    let rows = db
        .query(
            concat!(
                "UPDATE tasks
                    SET notes = ?3,
                        notes_count = notes_count + 1,
                        audit = ?8,
                        notes_history = json_insert(
                          CASE WHEN json_array_length(notes_history) < ?7 THEN notes_history
                               ELSE json_remove(notes_history, '$[0]') END,
                          '$[#]', json_object('content', ?3, 'editedBy', ?4, 'editedAt',
                                              strftime('%Y-%m-%dT%H:%M:%fZ', ?5 / 1000.0, 'unixepoch')))
                  WHERE id = ?1 AND org_id = ?2 AND (?6 IS NULL OR notes_count = ?6)
              RETURNING ",
                task_columns!()
            ),
            &[
                id.into(),
                org.into(),
                note.content.into(),
                (&note.entry.actor).into(),
                note.entry.at.into(),
                note.expected_count.into(),
                MOST_NOTES.into(),
                note.entry.into(),
            ],
        )
        .await?;
    rows.into_iter().next().map(|mut row| decode(&mut row)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{agent, entry, integer, task, text},
        native::Memory,
    };

    async fn with_task() -> Memory {
        let db = Memory::migrated();
        agent(&db, "key").await;
        task(&db, "t1", "executing").await;
        db
    }

    async fn write(db: &Memory, content: &str, expected_count: Option<u32>) -> Option<Task> {
        let note = Note { content, entry: &entry("task.annotate"), expected_count };
        append(db, &"org".into(), &"t1".into(), note).await.unwrap()
    }

    #[tokio::test]
    async fn the_last_note_stands_and_all_are_remembered() {
        let db = with_task().await;
        write(&db, "one", None).await.unwrap();
        let task = write(&db, "two \"quoted\"", None).await.unwrap();
        assert_eq!(task.notes.as_deref(), Some("two \"quoted\""));
        assert_eq!(
            task.notes_history,
            r#"[{"content":"one","editedBy":"user","editedAt":"2027-01-15T08:00:00.000Z"},{"content":"two \"quoted\"","editedBy":"user","editedAt":"2027-01-15T08:00:00.000Z"}]"#
        );
    }

    #[tokio::test]
    async fn of_two_who_saw_the_same_notes_one_writes() {
        let db = with_task().await;
        assert_eq!(write(&db, "first", Some(0)).await.unwrap().notes_count, 1);
        assert_eq!(write(&db, "second", Some(0)).await, None);
        assert_eq!(text(&db, "SELECT notes FROM tasks").await.as_deref(), Some("first"));
        assert_eq!(write(&db, "second", Some(1)).await.unwrap().notes_count, 2);
        assert_eq!(integer(&db, "SELECT count(*) FROM audit_log").await, Some(2));
    }

    #[tokio::test]
    async fn the_history_keeps_the_last_hundred() {
        let db = with_task().await;
        for number in 0..103_u32 {
            let task = write(&db, &number.to_string(), Some(number)).await.unwrap();
            assert_eq!(task.notes_count, number + 1);
        }
        let kept = text(
            &db,
            "SELECT json_array_length(notes_history) || ' from ' || (notes_history ->> '$[0].content')
                 || ' to ' || (notes_history ->> '$[#-1].content') FROM tasks",
        );
        assert_eq!(kept.await.as_deref(), Some("100 from 3 to 102"));
    }

    #[tokio::test]
    async fn nobody_writes_on_foreign_tasks() {
        let db = with_task().await;
        let note = Note { content: "x", entry: &entry("task.annotate"), expected_count: None };
        let written = append(&db, &"other".into(), &"t1".into(), note).await.unwrap();
        assert_eq!(written, None);
    }
}
