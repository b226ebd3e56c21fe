//! How much memory the process has, where the system tells (`/proc/self/status`, proc(5)).

/// The most that was resident so far, in bytes.
pub(super) fn peak() -> Option<u64> {
    line("VmHWM:")
}

/// Begins anew to note the most (`/proc/self/clear_refs`, proc(5)). Where that is not allowed, the
/// peak stays that of the whole process: too high, never too low.
pub(super) fn forget_peak() {
    let _not_allowed = std::fs::write("/proc/self/clear_refs", "5");
}

/// What is resident now, in bytes.
pub(super) fn resident() -> Option<u64> {
    line("VmRSS:")
}

fn line(name: &str) -> Option<u64> {
    field(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

/// A field in kibibytes, as bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_are_read_as_bytes() {
        let status = "Name:\tcaravan\nVmHWM:\t   1024 kB\nVmRSS:\t     512 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(1_048_576));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
