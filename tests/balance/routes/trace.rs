//! W3C trace context through a listener.

use super::{Backend, backend, last};
use crate::balance::Balancer;

fn traced(keys: &str, web: &Backend) -> Balancer {
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{keys}\n[[listener.route]]\nto = \"web\"\n\
        response-headers.set = {{ x-trace = \"$trace_id\" }}\n[upstream.web]\nbackends = [{:?}]\n",
        web.addr.to_string()
    );
    Balancer::parse(&text, |_| {})
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What the backend and the client get of a request with these lines.
#[track_caller]
fn sent(balancer: &Balancer, web: &Backend, lines: &str) -> (Vec<String>, Vec<String>, String) {
    let response = super::get(balancer, "/", lines);
    let request = last(web);
    let all = |name| request.all(name).iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    (all("traceparent"), all("tracestate"), response.header("x-trace").unwrap().to_owned())
}

#[test]
fn a_trace_goes_on_with_a_span_of_ours() {
    let web = backend("ok");
    let balancer = traced("trace = true\n", &web);
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let (mut seen, state) = (Vec::new(), "a=1,b=2");
    for _ in 0..3 {
        let lines = format!("Traceparent: {parent}\r\nTracestate: {state}\r\n");
        let (parents, states, told) = sent(&balancer, &web, &lines);
        let [ours] = &parents[..] else { panic!("{parents:?}") };
        assert!(ours.starts_with(&format!("00-{TRACE}-")) && ours.ends_with("-01"), "{ours}");
        assert!(*ours != parent && !seen.contains(ours), "{ours}");
        assert_eq!((states, &*told), (vec![state.to_owned()], TRACE));
        seen.push(ours.clone());
    }
}

#[test]
fn what_is_no_trace_is_replaced_by_a_new_one() {
    let web = backend("ok");
    for (keys, flags) in [
        ("trace = true\n", "02"),
        ("trace = true\ntrace-sample = 1\n", "03"),
        ("trace = true\ntrace-sample = 0.0\n", "02"),
    ] {
        let balancer = traced(keys, &web);
        for lines in [
            "".to_owned(),
            "Tracestate: a=1\r\n".into(),
            format!("traceparent: ff-{TRACE}-b7ad6b7169203331-01\r\ntracestate: a=1\r\n"),
            format!("traceparent: 00-{TRACE}-{}-01\r\ntracestate: a=1\r\n", "0".repeat(16)),
            format!("{0}{0}tracestate: a=1\r\n", format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n")),
        ] {
            let (parents, states, told) = sent(&balancer, &web, &lines);
            let [ours] = &parents[..] else { panic!("{parents:?}") };
            let parts: Vec<_> = ours.split('-').collect();
            assert_eq!((parts[0], parts[1], parts[3]), ("00", &*told, flags), "{lines}");
            assert!(told != TRACE && states.is_empty(), "{lines}: {states:?}");
        }
    }
}

#[test]
fn a_listener_that_does_not_trace_passes_everything_on() {
    let web = backend("ok");
    let balancer = traced("", &web);
    let (parents, states, told) = sent(&balancer, &web, "traceparent: what\r\ntracestate: ever\r\n");
    assert_eq!((parents, states, &*told), (vec!["what".to_owned()], vec!["ever".to_owned()], ""));
}

#[test]
fn spans_of_a_sampled_request_reach_the_collector() {
    use std::sync::mpsc::channel;

    use serde_json::{Value, json};

    let (tell, told) = channel();
    let collector = Backend::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
            drop(tell.send(request));
        }
    });
    let (bad, good) = (Backend::start(|_, peer| peer.request().map(drop)), backend("ok"));
    let text = format!(
        "[process]\nthreads = 1\n[trace]\nendpoint = \"http://{}\"\nservice-name = \"edge\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
         trace = true\nto = \"web\"\n[upstream.web]\nalgorithm = \"round-robin\"\nbackends = [{:?}, {:?}]\n",
        collector.addr,
        bad.addr.to_string(),
        good.addr.to_string()
    );
    let balancer = Balancer::parse(&text, |_| {});
    super::get(&balancer, "/unsampled", &format!("Traceparent: 00-{TRACE}-b7ad6b7169203331-00\r\n"));
    // In turns, so that one of the two at least meets the bad backend first.
    for path in ["/a?secret", "/b"] {
        super::get(&balancer, path, &format!("Traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n"));
    }
    let last_told = last(&good).all("traceparent")[0].to_owned();
    balancer.running.stop().unwrap();
    let request = told.recv_timeout(crate::support::PATIENCE).unwrap();
    assert_eq!((&*request.method, &*request.target), ("POST", "/v1/traces"));
    assert_eq!(request.all("content-type"), ["application/json"]);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let resource = &body["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "edge");
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    let attribute = |span: &Value, key: &str| {
        let attributes = span["attributes"].as_array().unwrap();
        attributes.iter().find(|of| of["key"] == key).map(|of| of["value"].clone()).unwrap_or_default()
    };
    let text = |text: &str| json!({ "stringValue": text });
    let of_kind = |kind: u8| spans.iter().filter(move |span| span["kind"] == kind).collect::<Vec<_>>();
    let [a, b] = of_kind(2)[..] else { panic!("{spans:?}") };
    for (span, path) in [(a, "/a"), (b, "/b")] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(TRACE), &json!("b7ad6b7169203331")));
        assert_eq!(attribute(span, "url.path"), text(path));
        assert_eq!(attribute(span, "http.response.status_code"), json!({ "intValue": "200" }));
        assert_eq!(attribute(span, "wireworks.end"), text("complete"));
        assert_eq!(attribute(span, "wireworks.upstream"), text("web"));
        assert_eq!(attribute(span, "wireworks.route"), json!({ "intValue": "1" }));
        assert_eq!(span["status"], Value::Null);
    }
    assert!(last_told.contains(b["spanId"].as_str().unwrap()), "the backend is told its parent: {last_told}");
    let attempts = of_kind(3);
    let failed: Vec<_> = attempts.iter().filter(|span| !span["status"].is_null()).collect();
    assert!(!failed.is_empty() && attempts.len() == 2 + failed.len(), "{spans:?}");
    assert_eq!(attribute(failed[0], "error.type"), text("backend-reset"));
    assert_eq!(attribute(failed[0], "server.address"), text(&bad.addr.to_string()));
    let same = |span: &&&Value| span["parentSpanId"] == failed[0]["parentSpanId"] && span["status"].is_null();
    let again = attempts.iter().find(same).unwrap();
    assert_eq!(attribute(again, "http.request.resend_count"), json!({ "intValue": "1" }));
    assert_eq!(attribute(again, "server.address"), text(&good.addr.to_string()));
    let inner = of_kind(1);
    let named = |name: &str| inner.iter().filter(|span| span["name"] == name).count();
    assert_eq!(named("queue"), 2, "{spans:?}");
    assert!((1..=4).contains(&named("connect")), "{spans:?}");
    for span in spans {
        let time = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
        assert!(time("startTimeUnixNano") > 1_600_000_000_000_000_000, "{span}");
    }
}
