//! CPU-bound work whose size a server determines, such as parsing a response of many megabytes.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs such work without blocking this worker's other tasks: timers and sockets, including those that end the program.
pub fn compute<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
