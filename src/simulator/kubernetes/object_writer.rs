//! How objects are written for one request: as they are, as metadata, or as rows of a table.

use serde_json::{Map, Value, json};

use crate::simulator::cluster::objects::StoredObject;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::request::ResponseFormat;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::table::IncludeObject;
use crate::simulator::kubernetes::{render, table};

/// Writes objects of one resource.
#[derive(Debug, Clone, Copy)]
pub struct ObjectWriter {
    pub resource: &'static Resource,
    pub format: ResponseFormat,
    /// As whom they are seen.
    pub view: ObjectView,
}

/// Objects of one page, and what comes after it.
pub struct ListPage<'a> {
    pub objects: Vec<&'a StoredObject>,
    pub version: u64,
    /// Where the next page begins; empty if there is none.
    pub next: String,
    /// How many come after it, if that is known.
    pub remaining: Option<usize>,
}

impl ObjectWriter {
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

    /// One object. Of several tables in a stream the first has the columns.
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
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), json!(page.version.to_string()));
        if !page.next.is_empty() {
            metadata.insert("continue".to_owned(), json!(page.next));
            if let Some(remaining) = page.remaining {
                metadata.insert("remainingItemCount".to_owned(), json!(remaining));
            }
        }
        let metadata = Value::Object(metadata);
        let objects = page.objects.iter();
        match self.format {
            ResponseFormat::Object => {
                let items: Vec<Value> = objects
                    .map(|object| {
                        Value::Object(render::object(object, object.meta.version, &self.view))
                    })
                    .collect();
                json!({
                    "kind": format!("{}List", self.resource.name), "apiVersion": self.resource.api_version(),
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Metadata => {
                let items: Vec<Value> =
                    objects.map(|object| self.metadata(object, object.meta.version)).collect();
                json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                })
            }
            ResponseFormat::Table(include) => {
                let rows =
                    objects.map(|object| self.row(object, object.meta.version, include)).collect();
                self.table(rows, metadata, true)
            }
        }
    }

    /// What a bookmark carries: nothing but a version.
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
