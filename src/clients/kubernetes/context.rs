//! What everybody who looks at one cluster shares: time, what was seen, and the connection that stands.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clients::kubernetes::connection::Connection;
use crate::clients::kubernetes::store::Store;
use crate::clock::Clock;

/// What everybody who looks at one cluster shares.
pub struct ObserverContext {
    pub clock: Clock,
    pub store: Mutex<Store>,
    /// Something in the store may be worth telling.
    pub news: Notify,
    /// Somebody doubts the connection.
    pub doubt: Notify,
    /// Something in between holds watches back.
    pub held_back: AtomicBool,
    /// The connection to use; `None` while there is none.
    pub connections: watch::Receiver<Option<Arc<Connection>>>,
}

impl ObserverContext {
    /// The store, for a moment.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store and wakes whoever tells of it.
    pub fn tell<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let result = change(&mut self.store());
        self.news.notify_one();
        result
    }
}

/// Waits for a connection.
pub async fn connected(
    connections: &mut watch::Receiver<Option<Arc<Connection>>>,
) -> Arc<Connection> {
    loop {
        if let Some(connection) = connections.borrow_and_update().clone() {
            return connection;
        }
        if connections.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits, or until there is another connection.
pub async fn pause(
    context: &ObserverContext,
    connections: &mut watch::Receiver<Option<Arc<Connection>>>,
    wait: Duration,
) {
    tokio::select! {
        () = context.clock.sleep(wait) => {}
        Ok(()) = connections.changed() => {}
    }
}
