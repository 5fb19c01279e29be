//! Objects of a real API server, as skeys requests and decodes them.

use std::sync::Arc;

use skeys::testing::clients::kubernetes::resources::WatchedResource;

use crate::server::{Call, Server};

/// All relevant objects of a kind.
pub async fn list<T: PartialEq>(server: &Server, resource: WatchedResource<T>) -> Vec<Arc<T>> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let (parts, body) = resource.list_request(next.as_deref()).unwrap().into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers =
            parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let (method, path) = (parts.method.to_string(), parts.uri.to_string());
        let answer = server.send(&Call { method, path, headers, body }).await;
        let page = resource.decode_page(&answer.body).unwrap();
        assert_eq!(page.unreadable, 0);
        all.extend(page.items.into_iter().filter_map(|item| item.value).map(Arc::new));
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}
