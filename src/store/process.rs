//! To which process a file belongs that a killed one leaves. In a shared home folder it may be one of another machine,
//! of which nothing is known here.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The number of this process, as it is written into a file or its name.
pub fn number() -> String {
    std::process::id().to_string()
}

/// The name of this machine, fit for the name of a file.
pub fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// Whether it was a process of this machine, and does not live any more.
pub fn has_ended(number: &str, host: &str) -> bool {
    let pid = number.parse::<i32>().ok().and_then(Pid::from_raw);
    host == self::host() && pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}
