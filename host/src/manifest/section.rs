//! A TOML table that is read key by key, and complains about what is left.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::fault::{Cause, Faults};

pub(super) struct Section<'f> {
    at: String,
    table: Table,
    faults: &'f Faults,
}

impl<'f> Section<'f> {
    pub(super) fn root(table: Table, faults: &'f Faults) -> Self {
        Self { at: String::new(), table, faults }
    }

    /// A table found inside this one at `key`, which is not quoted.
    pub(super) fn nested(&self, key: &str, table: Table) -> Section<'f> {
        Section { at: format!("{}.{key}", self.at), table, faults: self.faults }
    }

    /// The dotted path of `key`, as a user would write it.
    pub(super) fn at(&self, key: &str) -> String {
        let bare = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        if self.at.is_empty() { key } else { format!("{}.{key}", self.at) }
    }

    pub(super) fn report(&self, key: &str, cause: Cause) {
        self.faults.report(self.at(key), cause);
    }

    pub(super) fn report_at(&self, at: String, cause: Cause) {
        self.faults.report(at, cause);
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn string(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(it) => Some(it),
            _ => self.wrong(key, "a string"),
        }
    }

    pub(super) fn required_string(&mut self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.report(key, Cause::Missing);
        }
        self.string(key)
    }

    pub(super) fn boolean(&mut self, key: &str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Boolean(it)) => it,
            Some(_) => self.wrong(key, "true or false").unwrap_or_default(),
        }
    }

    pub(super) fn array(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(it)) => it,
            Some(_) => self.wrong(key, "a list").unwrap_or_default(),
        }
    }

    pub(super) fn strings(&mut self, key: &str) -> Vec<String> {
        let strings: Option<Vec<_>> = self
            .array(key)
            .into_iter()
            .map(|it| if let Value::String(it) = it { Some(it) } else { None })
            .collect();
        strings.or_else(|| self.wrong(key, "a list of strings")).unwrap_or_default()
    }

    pub(super) fn string_map(&mut self, key: &str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        let Some(mut section) = self.section(key) else { return map };
        for key in section.keys() {
            if let Some(value) = section.string(&key) {
                map.insert(key, value);
            }
        }
        map
    }

    pub(super) fn table(&mut self, key: &str) -> Option<Table> {
        match self.take(key)? {
            Value::Table(it) => Some(it),
            _ => self.wrong(key, "a table"),
        }
    }

    pub(super) fn section(&mut self, key: &str) -> Option<Section<'f>> {
        let at = self.at(key);
        let faults = self.faults;
        self.table(key).map(|table| Section { at, table, faults })
    }

    /// The keys not read yet, in the order of the file.
    pub(super) fn keys(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// Ends the reading: what is left is unknown.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            self.report(key, Cause::UnknownKey);
        }
    }

    fn wrong<T>(&self, key: &str, expected: &'static str) -> Option<T> {
        self.report(key, Cause::WrongType(expected));
        None
    }
}
