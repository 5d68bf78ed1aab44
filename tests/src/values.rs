//! What lies in the application's key-value store: blobs, and what is remembered of issuers.

use rusqlite::Connection;

use crate::App;

impl App {
    fn values(&self) -> Connection {
        let path = self.state_dir().join("sqlite_key_value.db");
        Connection::open(path).expect("the store opens")
    }

    /// All values, those that nothing refers to included.
    pub fn count_values(&self) -> i64 {
        self.count_keys("true")
    }

    /// Blobs that can be found.
    pub fn count_blobs(&self) -> i64 {
        self.count_keys("key LIKE 'blob/%' AND key NOT LIKE 'blob/%/%'")
    }

    /// Before the first value there is no table.
    fn count_keys(&self, filter: &str) -> i64 {
        let values = self.values();
        let count = |sql: &str| values.query_row(sql, [], |row| row.get(0)).expect("a count");
        match count("SELECT count(*) FROM sqlite_schema WHERE name = 'spin_key_value'") {
            0 => 0,
            _ => count(&format!("SELECT count(*) FROM spin_key_value WHERE {filter}")),
        }
    }

    /// Leaves a value there that no request of ours wrote.
    pub fn put_value(&self, key: &str, value: &[u8]) {
        let sql = "INSERT INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)";
        self.values().execute(sql, (key, value)).expect("Spin's table");
    }

    /// The keys of all values.
    pub fn keys(&self) -> Vec<String> {
        let connection = self.values();
        let mut statement = connection
            .prepare("SELECT key FROM spin_key_value ORDER BY key")
            .expect("Spin's table");
        let keys = statement.query_map([], |row| row.get(0)).expect("keys can be read");
        keys.map(|it| it.expect("a key is text")).collect()
    }

    /// As if the store had been lost.
    pub fn lose_values(&self) {
        self.values().execute("DELETE FROM spin_key_value", []).expect("Spin's table");
    }
}
