//! Request options: from the query, and `DeleteOptions`.

use serde_json::Value;

use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::field_error::{FieldError, refuse};
use crate::simulator::kubernetes::status::bad_request;

const META_GROUP: &str = "meta.k8s.io";
const MATCH: &str = "resourceVersionMatch";
const MATCHES: [&str; 2] = ["Exact", "NotOlderThan"];
const POLICIES: [&str; 4] = ["Foreground", "Background", "Orphan", "nil"];
const VALIDATIONS: [&str; 3] = ["Ignore", "Strict", "Warn"];
const MANAGER_LIMIT: usize = 128;

/// `ListOptions`, for lists and watches.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    pub watch: bool,
    pub version: String,
    pub exact: bool,
    pub limit: Option<usize>,
    pub timeout: Option<u64>,
    pub bookmarks: bool,
    /// `sendInitialEvents`, if it is given.
    pub initial_events: Option<bool>,
}

impl ListOptions {
    /// Parses and validates them; `streams_lists`: whether the server can send a list as a watch.
    pub fn read(request: &HttpRequest, streams_lists: bool) -> Result<Self, JsonResponse> {
        let version = request.value("resourceVersion").to_owned();
        let (matches, token) = (request.value(MATCH), request.value("continue"));
        let initial = request.query.iter().any(|(name, _)| name == "sendInitialEvents");
        let options = Self {
            watch: request.is_on("watch"),
            exact: matches == "Exact",
            limit: number(request, "limit")?
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0),
            timeout: number(request, "timeoutSeconds")?
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0),
            bookmarks: request.is_on("allowWatchBookmarks"),
            initial_events: initial.then(|| request.is_on("sendInitialEvents")),
            version,
        };
        let mut errors = Vec::new();
        let mut forbid = |field: &str, why: &str| errors.push(FieldError::forbidden(field, why));
        if options.watch && initial && !streams_lists {
            let why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            forbid("sendInitialEvents", why);
        } else if options.watch {
            if initial && matches != "NotOlderThan" {
                forbid(
                    MATCH,
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            }
            if !initial && !matches.is_empty() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                forbid(MATCH, why);
            }
            if !matches.is_empty() && !token.is_empty() {
                forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches.is_empty() && matches != "NotOlderThan" {
                errors.push(FieldError::not_supported(MATCH, matches, &["NotOlderThan"]));
            }
        } else {
            if !matches.is_empty() {
                if options.version.is_empty() {
                    forbid(
                        MATCH,
                        "resourceVersionMatch is forbidden unless resourceVersion is provided",
                    );
                }
                if !token.is_empty() {
                    forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
                }
                if options.exact && options.version == "0" {
                    let why =
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                    forbid(MATCH, why);
                }
            }
            if initial {
                forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
            }
            if !matches.is_empty() && !MATCHES.contains(&matches) {
                errors.push(FieldError::not_supported(MATCH, matches, &MATCHES));
            }
        }
        refuse(META_GROUP, "ListOptions", "", errors)?;
        Ok(options)
    }
}

fn number(request: &HttpRequest, name: &str) -> Result<Option<i64>, JsonResponse> {
    let Some((_, text)) = request.query.iter().find(|(key, _)| key == name) else {
        return Ok(None);
    };
    let wrong = |_| bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
    text.parse().map(Some).map_err(wrong)
}

/// Handling of unknown or duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// The options of a write request.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub validation: FieldValidation,
}

impl WriteOptions {
    /// Parses and validates them; `kind` is `PatchOptions`, `CreateOptions` or `UpdateOptions`.
    pub fn read(request: &HttpRequest, kind: &str) -> Result<Self, JsonResponse> {
        let mut errors = Vec::new();
        let given = |name: &'static str| request.query.iter().filter(move |(key, _)| key == name);
        if kind == "PatchOptions" && given("force").next().is_some() {
            let why = "may not be specified for non-apply patch";
            errors.push(FieldError::forbidden("force", why));
        }
        let manager = request.value("fieldManager");
        if manager.len() > MANAGER_LIMIT {
            errors.push(FieldError::too_long("fieldManager", MANAGER_LIMIT));
        }
        check_dry_run(given("dryRun").map(|(_, value)| &**value), &mut errors);
        let validation = request.value("fieldValidation");
        if !validation.is_empty() && !VALIDATIONS.contains(&validation) {
            let error = FieldError::not_supported("fieldValidation", validation, &VALIDATIONS);
            errors.push(error);
        }
        refuse(META_GROUP, kind, "", errors)?;
        Ok(Self {
            dry_run: given("dryRun").next().is_some(),
            validation: match validation {
                "Ignore" => FieldValidation::Ignore,
                "Strict" => FieldValidation::Strict,
                _ => FieldValidation::Warn,
            },
        })
    }
}

fn check_dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut Vec<FieldError>) {
    let wrong: Vec<&str> = values.filter(|value| *value != "All").collect();
    if let Some(first) = wrong.first() {
        errors.push(FieldError::not_supported("dryRun", first, &["All"]));
    }
}

/// `DeleteOptions`, of a deletion or an eviction.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    pub dry_run: bool,
    pub grace: Option<i64>,
    pub uid: Option<String>,
    pub version: Option<String>,
}

impl DeleteOptions {
    /// From a decoded document.
    pub fn of(document: &Value) -> Self {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let dry_run = document.get("dryRun").and_then(Value::as_array);
        Self {
            dry_run: dry_run.is_some_and(|list| !list.is_empty()),
            grace: document
                .get("gracePeriodSeconds")
                .and_then(Value::as_i64)
                .map(|seconds| if seconds < 0 { 1 } else { seconds }),
            uid: text("/preconditions/uid").map(str::to_owned),
            version: text("/preconditions/resourceVersion").map(str::to_owned),
        }
    }

    /// From a query.
    pub fn of_query(request: &HttpRequest) -> Result<Value, JsonResponse> {
        let mut document = serde_json::Map::new();
        if let Some(grace) = number(request, "gracePeriodSeconds")? {
            document.insert("gracePeriodSeconds".to_owned(), grace.into());
        }
        let dry_run: Vec<Value> = request
            .query
            .iter()
            .filter(|(name, _)| name == "dryRun")
            .map(|(_, value)| value.clone().into())
            .collect();
        if !dry_run.is_empty() {
            document.insert("dryRun".to_owned(), dry_run.into());
        }
        let policy = request.value("propagationPolicy");
        if !policy.is_empty() {
            document.insert("propagationPolicy".to_owned(), policy.into());
        }
        Ok(document.into())
    }

    /// Validates a decoded document.
    pub fn check(document: &Value) -> Result<(), JsonResponse> {
        let mut errors = Vec::new();
        let policy = document.get("propagationPolicy").and_then(Value::as_str);
        if let Some(policy) = policy {
            if document.get("orphanDependents").is_some_and(Value::is_boolean) {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                errors.push(FieldError::invalid("propagationPolicy", policy, why));
            } else if !POLICIES.contains(&policy) {
                errors.push(FieldError::not_supported("propagationPolicy", policy, &POLICIES));
            }
        }
        let dry_run = document.get("dryRun").and_then(Value::as_array).into_iter().flatten();
        check_dry_run(dry_run.filter_map(Value::as_str), &mut errors);
        refuse(META_GROUP, "DeleteOptions", "", errors)
    }
}
