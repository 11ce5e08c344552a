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
