//! The description of one route.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::answers::{Answers, envelope, outline};
use crate::{
    Problem, Query,
    body::Rules,
    contract::choices::Choice,
    openapi::Proof,
    schema::{self, Object},
};

/// Made by the functions `describe` of routes.
#[must_use]
#[derive(Debug, Default)]
pub struct Operation {
    summary: &'static str,
    query: BTreeMap<String, Parameter>,
    /// By media type.
    body: BTreeMap<&'static str, Value>,
    answers: Answers,
}

#[derive(Debug)]
struct Parameter {
    required: bool,
    schema: Value,
}

/// A part of a form.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    File(&'static str),
    Text(&'static str),
}

impl Operation {
    pub fn new(summary: &'static str) -> Self {
        Self { summary, ..Self::default() }
    }

    /// What a reader asks of the query; all of it is optional.
    pub fn query<T>(mut self, read: impl FnOnce(&Query) -> Result<T, Problem>) -> Self {
        for (name, schema) in Query::outline(read) {
            self.query.insert(name, Parameter { required: false, schema });
        }
        self.refuses(&[400])
    }

    /// A query parameter whose values are words.
    pub fn query_word<C: Choice>(mut self, name: &str) -> Self {
        self.query.insert(name.to_owned(), Parameter { required: false, schema: C::outline() });
        self.refuses(&[400])
    }

    /// Makes a query parameter one that must be there.
    pub fn query_required(mut self, name: &str) -> Self {
        let text = || Parameter { required: true, schema: json!({ "type": "string" }) };
        self.query.entry(name.to_owned()).or_insert_with(text).required = true;
        self.refuses(&[400])
    }

    /// A JSON body: what a schema reads, within the rules of the route.
    pub fn body<T>(mut self, rules: Rules, schema: impl FnOnce(&mut Object<'_>) -> T) -> Self {
        self.body.insert("application/json", schema::outline(schema));
        self.refuses(&[400, 415]).refuses(&[rules.too_large().as_u16()])
    }

    /// A multipart form.
    pub fn form(mut self, fields: &[Field]) -> Self {
        let properties = fields.iter().map(|field| match field {
            Field::File(name) => {
                (*name, json!({ "type": "string", "contentMediaType": "application/octet-stream" }))
            }
            Field::Text(name) => (*name, json!({ "type": "string" })),
        });
        let properties: Map<_, _> = properties.map(|(name, it)| (name.to_owned(), it)).collect();
        let schema = json!({ "type": "object", "properties": properties });
        self.body.insert("multipart/form-data", schema);
        self.refuses(&[400, 413, 415])
    }

    /// `{"success":true,"data":…}`
    pub fn answers<T: JsonSchema>(self, status: u16) -> Self {
        self.answers_json(status, envelope(&[("data", outline::<T>())]))
    }

    /// JSON without an envelope.
    pub fn answers_plainly<T: JsonSchema>(self, status: u16) -> Self {
        self.answers_json(status, outline::<T>())
    }

    /// `{"success":true}`
    pub fn succeeds(self) -> Self {
        self.answers_json(200, envelope(&[]))
    }

    /// Without a body.
    pub fn answers_empty(mut self, status: u16) -> Self {
        self.answers.add_empty(status);
        self
    }

    /// Bytes, passed on as they come.
    pub fn answers_file(mut self) -> Self {
        self.answers.add(200, "application/octet-stream", json!({}));
        self
    }

    /// As [`Self::answers_file`], of a kind that the caller chooses.
    pub fn answers_file_of(mut self, kinds: &[&'static str]) -> Self {
        for kind in kinds {
            self.answers.add(200, kind, json!({ "type": "string" }));
        }
        self
    }

    /// A number that an answer of this status may say in a header.
    pub fn header(mut self, status: u16, name: &'static str, what: &'static str) -> Self {
        self.answers.add_header(status, name, what);
        self
    }

    /// With `{"success":false,"error":…}`.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            self.answers.add_refusal(*status);
        }
        self
    }

    fn answers_json(mut self, status: u16, schema: Value) -> Self {
        self.answers.add(status, "application/json", schema);
        self
    }

    /// Adds what follows from the path and the caller.
    fn complete(mut self, parameters: &[&str], proof: Option<Proof>) -> Self {
        if !parameters.is_empty() {
            self = self.refuses(&[400]);
        }
        match proof {
            Some(Proof::Person) => {
                let schema = json!({ "type": "string" });
                self.query.insert("org_id".to_owned(), Parameter { required: false, schema });
                self.refuses(&[400, 401, 403, 429, 503])
            }
            Some(Proof::Device) => self.refuses(&[401, 429, 503]),
            Some(Proof::Scheduler) => self.refuses(&[401, 503]),
            None => self,
        }
    }

    pub(super) fn into_json(self, parameters: &[&str], proof: Option<Proof>) -> Value {
        let it = self.complete(parameters, proof);
        let path = parameters.iter().map(|name| {
            let schema = json!({ "type": "string", "minLength": 1 });
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        });
        let query = it.query.into_iter().map(|(name, Parameter { required, schema })| {
            json!({ "name": name, "in": "query", "required": required, "schema": schema })
        });
        let mut operation = json!({
            "summary": it.summary,
            "parameters": path.chain(query).collect::<Vec<_>>(),
            "responses": it.answers.into_json(),
            "security": security(proof),
        });
        if !it.body.is_empty() {
            let content = it.body.into_iter().map(|(media, it)| (media, json!({ "schema": it })));
            let content: BTreeMap<_, _> = content.collect();
            operation["requestBody"] = json!({ "content": content, "required": true });
        }
        operation
    }
}

fn security(proof: Option<Proof>) -> Value {
    match proof {
        None => json!([]),
        Some(Proof::Person) => json!([{ "person": [] }]),
        Some(Proof::Device) => json!([{ "agentKey": [], "agentId": [], "requestTimestamp": [] }]),
        Some(Proof::Scheduler) => json!([{ "scheduler": [] }]),
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::{contract::Timestamp, schema::Text};

    #[derive(Serialize, JsonSchema)]
    struct Answered {
        id: String,
        at: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }

    #[test]
    fn a_route_is_described_by_what_it_uses() {
        let described = Operation::new("Do a thing")
            .query(|query| query.page(50))
            .body(Rules::STRICT, |body| body.string("name", Text::any(3)))
            .answers::<Answered>(201)
            .into_json(&["id"], Some(Proof::Person));
        let parameters = described["parameters"].as_array().unwrap();
        let names: Vec<_> = parameters.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["id", "limit", "offset", "org_id"]);
        let statuses: Vec<_> = described["responses"].as_object().unwrap().keys().collect();
        assert_eq!(statuses, ["201", "400", "401", "403", "413", "415", "429", "503"]);
        let answer = &described["responses"]["201"]["content"]["application/json"]["schema"];
        assert_eq!(
            answer["properties"]["data"],
            json!({
                "type": "object",
                "properties": {
                    "id": { "type": "string" },
                    "at": { "type": ["string", "null"], "format": "date-time" },
                    "note": { "type": ["string", "null"] },
                },
                "required": ["id", "at"],
            })
        );
        let body = &described["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["required"], json!(["name"]));
    }
}
