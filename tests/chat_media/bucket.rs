//! The same over S3, as Moto speaks it: a server that others wrote, in Python.

use std::time::Duration;

use wireworks::server::bucket::BucketOptions;
use wireworks::server::chat::media::options::Kept;
use wireworks::server::chat::media::{Digest, InUse, InUseAnswer, MediaOptions};
use wireworks::server::http::settings::Settings;

use super::{Files, now, png, sha256};
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

pub(crate) const MOTO: &str = r#"
import json, logging, os, sys
# What it logs would stand within the lines that are waited for.
logging.getLogger("werkzeug").disabled = True
for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ[name] = "test"
import boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
s3.create_bucket(Bucket="media")
# Players show nothing: what stands below cdn/ is for everybody.
s3.put_bucket_policy(Bucket="media", Policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::media/cdn/*"}]}))
print(f"listening moto {host}:{port}", flush=True)
for line in sys.stdin:
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="media").get("Contents", [])]
    uploads = s3.list_multipart_uploads(Bucket="media").get("Uploads", [])
    print(line.strip(), "uploads:", len(uploads), *sorted(keys), file=sys.stderr, flush=True)
"#;

/// A server of files that keeps them in a bucket, and the service that has it.
fn start() -> (Process, Files) {
    let mut moto = Tool::python(MOTO).start_typing();
    let endpoint = format!("http://{}", moto.listening("moto"));
    let change = |options: &mut MediaOptions| {
        options.file = 30 << 20;
        options.kept = Kept::Bucket(BucketOptions {
            bucket: "media".into(),
            region: "us-east-1".into(),
            endpoint: Some(endpoint),
            prefix: "chat/files".into(),
            access_key: "test".into(),
            secret_key: "test".into(),
            path_style: true,
        });
    };
    (moto, Files::with(change, Settings::default()))
}

/// What the bucket holds, as another client sees it: the uploads under way, and the keys.
fn held(moto: &mut Process, question: &str) -> String {
    moto.types(question);
    moto.wait_for_line(&format!("{question} ")).trim().to_owned()
}

#[test]
fn files_are_kept_in_a_bucket() {
    let (mut moto, files) = start();
    let picture = png(900, 300);
    let media = files.keep(&picture);
    assert_eq!(media.dimensions, Some((900, 300)));
    let digest = sha256(&picture);
    let key = |name: &str| format!("chat/files/{}/{digest}{name}", &digest[..2]);
    assert_eq!(
        held(&mut moto, "first"),
        format!("uploads: 0 {} {} {}", key(""), key(".json"), key(".thumb"))
    );
    assert!(files.files("incoming").is_empty() && files.files("files").is_empty(), "nothing stays here");

    let link = files.link(&media);
    assert_eq!(files.get(&link, "").body, picture);
    assert_eq!(files.get(&link, "Range: bytes=1-3\r\n").body, b"PNG");
    assert_eq!(files.get(&link, &format!("If-None-Match: \"{digest}\"\r\n")).status, 304);
    let small = files.get(&format!("{link}&thumb=1"), "");
    assert_eq!(image::load_from_memory(&small.body).unwrap().width(), 640);
    assert_eq!(files.upload(&picture).status, 200);

    struct Nobody;
    impl InUse for Nobody {
        fn in_use(&self, _: Vec<Digest>) -> InUseAnswer<'_> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
    }
    let later = now() + 2 * 24 * 3_600_000;
    let swept = files.runtime.block_on(files.media.sweep(&Nobody, later)).unwrap();
    assert_eq!((swept.files, swept.removed), (1, 1));
    assert_eq!(held(&mut moto, "second"), "uploads: 0");
    assert_eq!(files.get(&link, "").status, 404);
}

#[test]
fn a_large_file_goes_in_pieces() {
    let (mut moto, files) = start();
    let large: Vec<u8> = (0..20_000_003u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let media = files.keep(&large);
    assert_eq!(media.size, 20_000_003);
    assert!(held(&mut moto, "first").starts_with("uploads: 0 "), "the pieces were put together");
    let link = files.link(&media);
    assert!(files.get(&link, "").body == large);
    let part = files.get(&link, "Range: bytes=8388600-8388620\r\n");
    assert!(part.status == 206 && part.body == large[8_388_600..=8_388_620]);
}

#[test]
fn a_bucket_that_is_away_is_told_apart_from_a_file_that_is_not_there() {
    let (moto, files) = start();
    let media = files.keep(b"kept while it was there");
    let link = files.link(&media);
    drop(moto);
    // What is known of the file is in memory; its bytes are not, and the reply cannot be what it says.
    let mut wire = Wire::connect(files.address).within(Duration::from_secs(120));
    wire.send(format!("GET {link} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let (said, _) = wire.read_to_close();
    assert!(!String::from_utf8_lossy(&said).contains("kept while"));
}
