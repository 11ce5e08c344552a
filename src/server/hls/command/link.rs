//! `wireworks hls link`: signed links to what is served to those only who have one.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::server::hls::access::link::{BadLink, sign};
use crate::server::hls::live::viewers::BASE;
use crate::server::keys::{Keys, KeysError};
use crate::server::units::TimeSpan;

/// How long a link is good for unless somebody says otherwise.
const LASTS: Duration = Duration::from_secs(24 * 3600);

const EXAMPLES: &str = "\
Examples:
  wireworks hls link --keys link.keys demo                        /~.../live/demo/index.m3u8, good for a day
  wireworks hls link --keys link.keys --for 2h https://tv.example.org/live/stage/index.m3u8
  wireworks hls link --keys link.keys https://tv.example.org/film/master.m3u8      of wireworks hls serve
  wireworks hls link --keys link.keys https://tv.example.org/     the page with all streams
  wireworks hls link --keys link.keys --rotate                    a new key; links by the one before still count

The server is `wireworks hls live` or `wireworks hls serve` with --link-keys and the same file. A link opens the folder
that it leads to: a playlist, and the segments below it. Exit status: 0 when all links were made, 1 when the keys
cannot be used, 64 when the command line makes no sense.";

/// What a user may type after `wireworks hls link`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Names of live streams, paths as /live/NAME/index.m3u8, or addresses with such paths; / is the page with all streams
    #[arg(value_name = "NAME|PATH|URL", required_unless_present = "rotate")]
    pub targets: Vec<String>,

    /// The file with the keys, as the server has it in --link-keys; it is made if it is not there
    #[arg(long, short = 'k', value_name = "FILE")]
    pub keys: PathBuf,

    /// How long the links are good for
    #[arg(long = "for", value_name = "TIME", default_value_t = TimeSpan(LASTS))]
    pub lasts: TimeSpan,

    /// Make a new key first. Links by the key before it still count, older ones do not; servers take the new key within seconds
    #[arg(long)]
    pub rotate: bool,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Something that cannot be signed.
    #[error("{target}: {source}")]
    Target {
        /// What was typed.
        target: String,
        /// Why not.
        source: BadLink,
    },
}

impl LinkError {
    /// Whether the command line makes no sense.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Target { .. })
    }
}

/// Makes the links, a line each.
///
/// # Errors
/// See [`LinkError`].
pub fn run(args: &Args) -> Result<String, LinkError> {
    let mut keys = Keys::open(&args.keys)?;
    if args.rotate {
        keys = keys.rotate(&args.keys)?;
    }
    let end = SystemTime::now() + args.lasts.0;
    let expires = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let links = args.targets.iter().map(|target| {
        let failed = |source| LinkError::Target { target: target.clone(), source };
        link(&keys, target, expires).map(|link| link + "\n").map_err(failed)
    });
    links.collect()
}

fn link(keys: &Keys, target: &str, expires: u64) -> Result<String, BadLink> {
    if target.starts_with('/') {
        return sign(keys, target, expires);
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        // The name of a stream has no slash; more than a name would be signed as something else than was meant.
        let is_name = !target.is_empty() && !target.contains(['/', '?', '#']);
        let path = is_name.then(|| format!("{BASE}/{target}/index.m3u8")).ok_or(BadLink::Path)?;
        return sign(keys, &path, expires);
    };
    let (authority, path) = rest.split_at(rest.find('/').ok_or(BadLink::Path)?);
    Ok(format!("{scheme}://{authority}{}", sign(keys, path, expires)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::hls::access::link::Link;

    fn args(folder: &tempfile::TempDir, targets: &[&str], rotate: bool) -> Args {
        Args {
            targets: targets.iter().map(ToString::to_string).collect(),
            keys: folder.path().join("keys"),
            lasts: TimeSpan(Duration::from_secs(60)),
            rotate,
        }
    }

    #[test]
    fn names_paths_and_addresses_are_signed() {
        let folder = tempfile::tempdir().unwrap();
        for (target, before, behind) in [
            ("stage", "", "/live/stage/index.m3u8"),
            ("/live/stage/index.m3u8", "", "/live/stage/index.m3u8"),
            ("/", "", "/"),
            (
                "https://a.example:8443/live/stage/index.m3u8",
                "https://a.example:8443",
                "/live/stage/index.m3u8",
            ),
        ] {
            let said = run(&args(&folder, &[target], false)).unwrap();
            let path = said.strip_suffix('\n').and_then(|link| link.strip_prefix(before)).unwrap();
            let keys = Keys::open(&folder.path().join("keys")).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            assert_eq!(Link::of(path).unwrap().unwrap().open(&keys, now), Ok(behind), "{target}");
            assert_eq!(Link::of(path).unwrap().unwrap().open(&keys, now + 61), Err(BadLink::Expired));
        }
        for target in ["", "a/b", "https://a.example", "stage?x", "/live/../x"] {
            let error = run(&args(&folder, &[target], false)).unwrap_err();
            assert!(error.is_usage(), "{target}: {error}");
        }
    }

    #[test]
    fn links_outlast_one_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let link = run(&args(&folder, &["stage"], false)).unwrap();
        let counts = || {
            let keys = Keys::open(&folder.path().join("keys")).unwrap();
            Link::of(link.trim_end()).unwrap().unwrap().open(&keys, 0).is_ok()
        };
        assert_eq!(run(&args(&folder, &[], true)).unwrap(), "");
        assert!(counts());
        run(&args(&folder, &[], true)).unwrap();
        assert!(!counts());
    }
}
