#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kubectl_mtls_fuzz::mesh_config(bytes));
