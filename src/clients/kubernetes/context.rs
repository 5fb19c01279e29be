//! State shared by the tasks that observe one cluster: clock, store, and current connection.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clients::kubernetes::connection::Connection;
use crate::clients::kubernetes::store::Store;
use crate::clock::Clock;

/// State shared by the tasks that observe one cluster.
pub struct ObserverContext {
    pub clock: Clock,
    pub store: Mutex<Store>,
    /// The store changed.
    pub changes: Notify,
    /// A task suspects that the connection is broken.
    pub check_requested: Notify,
    /// A proxy buffers watches.
    pub held_back: AtomicBool,
    /// The current connection, if any.
    pub connections: watch::Receiver<Option<Arc<Connection>>>,
}

impl ObserverContext {
    /// Locks the store.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store and wakes the reporter.
    pub fn update<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let result = change(&mut self.store());
        self.changes.notify_one();
        result
    }
}

/// Waits for a connection.
pub async fn wait_for_connection(
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

/// Sleeps for `wait`, or until the connection changes.
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
