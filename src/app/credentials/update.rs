//! Reads the kubeconfig files of this machine, and moves in the list of a cluster's credentials.

use crate::app::context::UpdateContext;
use crate::app::credentials::state::InventoryState;
use crate::app::effect::Request;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::app::requests::RequestOwner;
use crate::app::screen::Metrics;
use crate::domain::credential::Credentials;

/// Reads the files anew: the usual ones, the configured ones, and those that skeys wrote.
pub fn read(credentials: &Credentials, cx: &mut UpdateContext<'_>) {
    let more = cx.shared.settings.search.iter().cloned().chain(credentials.files()).collect();
    cx.request(RequestOwner::Inventory, Request::ReadInventory(more));
}

/// Moves the cursor among the rows that were drawn.
pub fn run(inventory: &mut InventoryState, command: Command, metrics: &Metrics) {
    let last = metrics.scroll_last;
    if let Some(next) = moved(command, inventory.cursor.min(last), metrics.page(), last) {
        inventory.cursor = next;
    }
}
