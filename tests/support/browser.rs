//! A browser without a window.

use std::path::Path;
use std::time::Duration;

use super::tool::Tool;

/// How long a browser may take: it is slow to start where several tests run.
const PATIENCE: Duration = Duration::from_secs(90);

/// Chromium at `url`, with a profile of its own below `folder`.
pub(crate) fn chromium(folder: &Path, args: &[&str], url: &str) -> Tool {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let tool = Tool::new("chromium").args(flags).args([profile]);
    tool.args(args).args([url]).within(PATIENCE)
}
