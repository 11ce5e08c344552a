//! What the system says, in the words of our messages.

use std::io;

/// The system's refusal in plain words, without its number: `connection refused`, not `Connection refused (os error 111)`.
pub(crate) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}
