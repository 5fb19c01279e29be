//! A published OpenAPI file: finds the operation of a request, and validates request and response.

use jsonschema::Validator;
use serde_json::{Value, json};

/// A published API description.
pub struct Published {
    document: Value,
    name: String,
}

impl Published {
    /// The file in a variable; `None` if it is not set.
    pub fn from_variable(variable: &str) -> Option<Self> {
        let name = std::env::var(variable).ok()?;
        let text = std::fs::read_to_string(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
        Some(Self::new(&text, name))
    }

    /// A description; objects of its schemas accept only the listed keys.
    pub fn new(text: &str, name: String) -> Self {
        let mut document: Value = serde_json::from_str(text).unwrap();
        close(&mut document["components"]);
        Self { document, name }
    }

    /// Violations of a call, as sentences.
    pub fn problems(&self, call: &Call<'_>) -> Vec<String> {
        let at = format!("{} {} ({})", call.method, call.path, self.name);
        let Some(operation) = self.operation(call) else {
            return vec![format!("{at}: no such operation")];
        };
        let mut problems = Vec::new();
        for name in &call.query {
            let is_it = |parameter: &Value| {
                let shared = parameter["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
                let shared = shared.and_then(|path| self.document.pointer(path));
                let parameter = shared.unwrap_or(parameter);
                parameter["in"] == "query" && parameter["name"] == **name
            };
            let known = operation["parameters"].as_array().is_some_and(|all| all.iter().any(is_it));
            if !known {
                problems.push(format!("{at}: unknown query parameter {name}"));
            }
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        match (call.body, body.is_null()) {
            (Some(body_sent), false) => problems.extend(self.mismatches(body, body_sent, &at)),
            (Some(_), true) => problems.push(format!("{at}: takes no body")),
            (None, false) if operation["requestBody"]["required"] == true => {
                problems.push(format!("{at}: wants a body"));
            }
            (None, _) => {}
        }
        let answer = &operation["responses"][call.status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        // 403, 409, 429 and 5xx occur although they are not declared.
        if answer.is_null() && !matches!(call.status, 403 | 409 | 429 | 500..) {
            problems.push(format!("{at}: status {} is not declared", call.status));
        } else if let (false, Some(sent)) = (schema.is_null(), call.answer) {
            problems.extend(self.mismatches(schema, sent, &at));
        }
        problems
    }

    fn operation(&self, call: &Call<'_>) -> Option<&Value> {
        let parts: Vec<&str> = call.path.split('/').collect();
        let paths = self.document["paths"].as_object()?;
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').collect();
            wanted.len() == parts.len()
                && wanted.iter().zip(&parts).all(|(w, part)| w.starts_with('{') || w == part)
        };
        // A path without a variable takes precedence over one with it.
        let mut fitting: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        fitting.first()?.1.get(call.method.to_lowercase())
    }

    fn mismatches(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        self.validator(&whole)
            .iter_errors(value)
            .map(|error| format!("{at}: {} at {}", error, error.instance_path()))
            .collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        jsonschema::draft7::options()
            .should_validate_formats(true)
            .build(schema)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// A request and its response.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: Vec<&'a str>,
    pub body: Option<&'a Value>,
    pub status: u16,
    pub answer: Option<&'a Value>,
}

/// Objects with listed properties accept no others, to detect misspelled keys.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && map.get("type") == Some(&json!("object")) {
                map.entry("additionalProperties").or_insert(json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Tests the checker itself: it must detect violations.
#[test]
fn wrong_calls_are_found() {
    let text = json!({
        "paths": {"/a/{id}": {"post": {
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}}}}}},
        "components": {"schemas": {
            "In": {"type": "object", "properties": {"seconds": {"type": "string"}}},
            "Out": {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}}}
    });
    let published = Published::new(&text.to_string(), "test".to_owned());
    let check = |path, body: Option<Value>, status, answer: Value| {
        published.problems(&Call {
            method: "POST",
            path,
            query: Vec::new(),
            body: body.as_ref(),
            status,
            answer: Some(&answer),
        })
    };
    let right = json!({"seconds": "600"});
    let fine = json!({"at": "2026-11-24T14:00:00Z"});
    assert_eq!(check("/a/1", Some(right.clone()), 200, fine.clone()), Vec::<String>::new());
    for (path, body, status, answer) in [
        ("/b/1", Some(right.clone()), 200, fine.clone()),
        ("/a/1", None, 200, fine.clone()),
        ("/a/1", Some(json!({"seconds": 600})), 200, fine.clone()),
        ("/a/1", Some(json!({"secnods": "600"})), 200, fine.clone()),
        ("/a/1", Some(right.clone()), 418, fine),
        ("/a/1", Some(right.clone()), 200, json!({"at": "soon"})),
        ("/a/1", Some(right), 200, json!({"when": "2026-11-24T14:00:00Z"})),
    ] {
        assert_eq!(check(path, body, status, answer).len(), 1, "{path}");
    }
}
