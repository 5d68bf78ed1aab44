//! Statements and stored values, as text.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use spin_sdk::{
    key_value::Store,
    sqlite::{Connection, Value, wit::sqlite as blocking},
};

thread_local!(static KEPT: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) });

/// The connection of this instance.
async fn kept() -> Result<Rc<Connection>, String> {
    if let Some(connection) = KEPT.with_borrow(Clone::clone) {
        return Ok(connection);
    }
    let connection = Rc::new(Connection::open_default().await.map_err(|e| e.to_string())?);
    connection
        .execute("PRAGMA synchronous = NORMAL", [])
        .await
        .map_err(|e| e.to_string())?
        .result()
        .await
        .map_err(|e| e.to_string())?;
    KEPT.set(Some(connection.clone()));
    Ok(connection)
}

/// One statement; its rows as lines, or the error.
pub(crate) async fn sql(how: &str, body: &[u8]) -> Result<String, String> {
    let sql = str::from_utf8(body).map_err(|e| e.to_string())?;
    match how {
        "sql-sync" => {
            let connection = blocking::Connection::open("default").map_err(|e| e.to_string())?;
            let result = connection.execute(sql, &[]).map_err(|e| e.to_string())?;
            Ok(result.rows.iter().map(|it| line(&it.values)).collect())
        }
        "sql-kept" => execute(&*kept().await?, sql).await,
        _ => execute(&Connection::open_default().await.map_err(|e| e.to_string())?, sql).await,
    }
}

async fn execute(connection: &Connection, sql: &str) -> Result<String, String> {
    let result = connection.execute(sql, []).await.map_err(|e| e.to_string())?;
    let rows = result.collect().await.map_err(|e| e.to_string())?;
    Ok(rows.iter().map(|it| line(&it.values)).collect())
}

/// What a busy table does: one statement that writes a row and returns it.
pub(crate) async fn touch(id: &str) -> Result<String, String> {
    let id = Value::Integer(id.parse().unwrap_or(1));
    let connection = kept().await?;
    let sql = "UPDATE things SET count = count + 1 WHERE id = ?1 RETURNING count";
    let result = connection.execute(sql, [id]).await.map_err(|e| e.to_string())?;
    let rows = result.collect().await.map_err(|e| e.to_string())?;
    Ok(rows.iter().map(|it| line(&it.values)).collect())
}

fn line(values: &[Value]) -> String {
    let value = |it: &Value| match it {
        Value::Integer(it) => it.to_string(),
        Value::Real(it) => format!("{it:?}"),
        Value::Text(it) => it.clone(),
        Value::Blob(it) => format!("{it:?}"),
        Value::Null => "null".into(),
    };
    values.iter().map(value).collect::<Vec<_>>().join("|") + "\n"
}

pub(crate) async fn store(rest: &str, value: Bytes) -> Result<Bytes, String> {
    let (verb, key) = rest.split_once('/').unwrap_or((rest, ""));
    let store = Store::open_default().await.map_err(|e| e.to_string())?;
    match verb {
        "set" => store.set(key, value).await.map(|()| Bytes::new()),
        "get" => store.get(key).await.map(|it| it.unwrap_or_else(|| b"none".into()).into()),
        "delete" => store.delete(key).await.map(|()| Bytes::new()),
        "exists" => store.exists(key).await.map(|it| it.to_string().into()),
        _ => store.get_keys().await.collect().await.map(|mut keys| {
            keys.sort();
            keys.join(" ").into()
        }),
    }
    .map_err(|e| e.to_string())
}
