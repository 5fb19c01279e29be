//! Work that takes as long as a server likes, such as reading an answer of many megabytes.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does such work while another thread takes over what this one would have to do: timers and sockets of all tasks, the
/// ones that end the program among them.
pub fn compute<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
