//! Writes objects in the format of a request: in full, as metadata, or as table rows.

use serde_json::{Map, Value, json};

use crate::simulator::cluster::objects::StoredObject;
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::request::ResponseFormat;
use crate::simulator::kubernetes::resources::{EVENTS, Resource};
use crate::simulator::kubernetes::status::{bad_request, failure, not_acceptable};
use crate::simulator::kubernetes::table::IncludeObject;
use crate::simulator::kubernetes::{render, table};

/// Writes objects of one resource.
#[derive(Debug, Clone, Copy)]
pub struct ObjectWriter {
    pub resource: &'static Resource,
    pub format: ResponseFormat,
    pub view: ObjectView,
}

/// One page of a list.
pub struct ListPage<'a> {
    pub objects: Vec<&'a StoredObject>,
    pub version: u64,
    /// The `continue` token of the next page, and the number of remaining objects if known.
    pub next: Option<(String, Option<usize>)>,
}

impl ObjectWriter {
    /// A writer in the format that a request accepts, for a list or single objects.
    pub fn new(
        resource: &'static Resource,
        request: &HttpRequest,
        view: ObjectView,
        is_list: bool,
    ) -> Result<Self, JsonResponse> {
        let format = request.format().ok_or_else(|| not_acceptable(&request.accept))?;
        let include = request.value("includeObject");
        let group = resource.group.split('.').next().filter(|group| !group.is_empty());
        let kind = format!("*{}.{}", group.unwrap_or("core"), resource.name);
        let (asked, is_a) = match format {
            ResponseFormat::Metadata if is_list => ("PartialObjectMetadata", "a list"),
            ResponseFormat::MetadataList if !is_list => ("PartialObjectMetadataList", "not a list"),
            ResponseFormat::Table(..)
                if !matches!(include, "" | "None" | "Metadata" | "Object") =>
            {
                return Err(bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
                )));
            }
            _ => return Ok(Self { resource, format, view }),
        };
        let list = if is_list { "List" } else { "" };
        let message =
            format!("you requested {asked}, but the requested object is {is_a} ({kind}{list})");
        Err(failure(406, "NotAcceptable", &message))
    }

    /// A writer for full objects.
    pub fn of_objects(resource: &'static Resource, view: ObjectView) -> Self {
        Self { resource, format: ResponseFormat::Object, view }
    }

    fn body(&self, object: &StoredObject, version: u64) -> Map<String, Value> {
        let mut found = render::object(object, version, &self.view);
        if self.resource.group == EVENTS {
            render::rename_event_fields(&mut found);
        }
        found
    }

    /// One full object, with `kind` and `apiVersion`.
    pub fn full(&self, object: &StoredObject, version: u64) -> Value {
        let mut found = self.body(object, version);
        found.insert("kind".to_owned(), json!(self.resource.name));
        found.insert("apiVersion".to_owned(), json!(self.resource.api_version()));
        Value::Object(found)
    }

    fn metadata(&self, object: &StoredObject, version: u64) -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": render::metadata(object, version, &self.view),
        })
    }

    fn table(&self, rows: Vec<Value>, version: &str, metadata: Value, with_columns: bool) -> Value {
        let columns = if with_columns { table::definitions(self.resource.kind) } else { json!([]) };
        json!({
            "kind": "Table", "apiVersion": version, "metadata": metadata,
            "columnDefinitions": columns, "rows": rows,
        })
    }

    fn row(&self, object: &StoredObject, version: u64, include: IncludeObject) -> Value {
        let shown = match include {
            IncludeObject::None => None,
            IncludeObject::Metadata => Some(self.metadata(object, version)),
            IncludeObject::Object => Some(self.full(object, version)),
        };
        table::row(object, shown, &self.view)
    }

    /// One object in the format of the request. In a stream of tables only the first has columns.
    pub fn one(&self, object: &StoredObject, version: u64, first: bool) -> Value {
        match self.format {
            ResponseFormat::Object => self.full(object, version),
            ResponseFormat::Metadata | ResponseFormat::MetadataList => {
                self.metadata(object, version)
            }
            ResponseFormat::Table(include, api) => {
                let metadata = json!({"resourceVersion": version.to_string()});
                self.table(vec![self.row(object, version, include)], api, metadata, first)
            }
        }
    }

    /// A page of a list.
    pub fn list(&self, page: &ListPage<'_>) -> Value {
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some((token, remaining)) = &page.next {
            set(&mut metadata, "continue", json!(token));
            if let Some(remaining) = remaining {
                set(&mut metadata, "remainingItemCount", json!(remaining));
            }
        }
        let objects = page.objects.iter().map(|object| (*object, object.meta.version));
        match self.format {
            ResponseFormat::Object => {
                let items: Vec<Value> =
                    objects.map(|(object, version)| self.body(object, version).into()).collect();
                json!({
                    "kind": format!("{}List", self.resource.name), "apiVersion": self.resource.api_version(),
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Metadata | ResponseFormat::MetadataList => {
                let items: Vec<Value> =
                    objects.map(|(object, version)| self.metadata(object, version)).collect();
                json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Table(include, api) => {
                let rows = objects.map(|(object, version)| self.row(object, version, include));
                self.table(rows.collect(), api, metadata, true)
            }
        }
    }

    /// The object of a `BOOKMARK`, which has only a version; annotated if it ends the initial events.
    pub fn bookmark(&self, version: u64, initial: bool) -> Value {
        let mut metadata =
            json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if initial {
            set(&mut metadata, "annotations", json!({"k8s.io/initial-events-end": "true"}));
        }
        match self.format {
            ResponseFormat::Object => json!({
                "kind": self.resource.name, "apiVersion": self.resource.api_version(), "metadata": metadata,
            }),
            ResponseFormat::Metadata | ResponseFormat::MetadataList => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            ResponseFormat::Table(_, api) => self.table(Vec::new(), api, metadata, false),
        }
    }
}
