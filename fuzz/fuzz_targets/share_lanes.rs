#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireworks_fuzz::share_lanes(data));
