//! Identifies the process that left a file behind. In a shared home folder it may be of another host, whose processes
//! are unknown here.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// This process's ID, for a file or its name.
pub fn number() -> String {
    std::process::id().to_string()
}

/// This host's name, with only characters that are safe in a file name.
pub fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// Whether this is a process of this host that no longer exists.
pub fn has_ended(number: &str, host: &str) -> bool {
    let pid = number.parse::<i32>().ok().and_then(Pid::from_raw);
    host == self::host() && pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}
