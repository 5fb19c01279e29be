//! Writes objects in the format of a request: in full, as metadata, or as rows of a table.

use serde_json::{Value, json};

use crate::simulator::cluster::objects::StoredObject;
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::request::ResponseFormat;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::failure;
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
    /// The `continue` token of the next page, and the number of objects on later pages.
    pub next: Option<(String, usize)>,
}

impl ObjectWriter {
    /// A writer in the format that a request accepts.
    pub fn new(
        resource: &'static Resource,
        request: &HttpRequest,
        view: ObjectView,
    ) -> Result<Self, JsonResponse> {
        let message = "only the following media types are accepted: application/json";
        let format = request.format().ok_or_else(|| failure(406, "NotAcceptable", message))?;
        Ok(Self { resource, format, view })
    }

    /// A writer of objects in full.
    pub fn of_objects(resource: &'static Resource, view: ObjectView) -> Self {
        Self { resource, format: ResponseFormat::Object, view }
    }

    /// One object in full, with `kind` and `apiVersion`.
    pub fn full(&self, object: &StoredObject, version: u64) -> Value {
        let mut found = render::object(object, version, &self.view);
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

    fn table(&self, rows: Vec<Value>, metadata: Value, with_columns: bool) -> Value {
        let columns = if with_columns { table::definitions(self.resource.kind) } else { json!([]) };
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
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
            ResponseFormat::Metadata => self.metadata(object, version),
            ResponseFormat::Table(include) => {
                let metadata = json!({"resourceVersion": version.to_string()});
                self.table(vec![self.row(object, version, include)], metadata, first)
            }
        }
    }

    /// A page of a list.
    pub fn list(&self, page: &ListPage<'_>) -> Value {
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some((token, remaining)) = &page.next {
            set(&mut metadata, "continue", json!(token));
            set(&mut metadata, "remainingItemCount", json!(remaining));
        }
        let objects = page.objects.iter().map(|object| (*object, object.meta.version));
        match self.format {
            ResponseFormat::Object => {
                let items: Vec<Value> = objects
                    .map(|(object, version)| render::object(object, version, &self.view).into())
                    .collect();
                json!({
                    "kind": format!("{}List", self.resource.name), "apiVersion": self.resource.api_version(),
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Metadata => {
                let items: Vec<Value> =
                    objects.map(|(object, version)| self.metadata(object, version)).collect();
                json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Table(include) => {
                let rows = objects.map(|(object, version)| self.row(object, version, include));
                self.table(rows.collect(), metadata, true)
            }
        }
    }

    /// The object of a `BOOKMARK`, which has a version only.
    pub fn bookmark(&self, version: u64) -> Value {
        let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        match self.format {
            ResponseFormat::Object => json!({
                "kind": self.resource.name, "apiVersion": self.resource.api_version(), "metadata": metadata,
            }),
            ResponseFormat::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            ResponseFormat::Table(_) => self.table(Vec::new(), metadata, false),
        }
    }
}
