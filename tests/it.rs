//! The one integration binary: each module is a suite.

mod architecture;
mod causes;
mod cli;
mod completion;
mod decode;
mod envoy;
mod explain;
mod findings;
mod fuzz;
mod intent;
mod lab_admin;
mod lab_curl;
mod lab_dataplane;
mod lab_drift;
mod lab_kube;
mod meshes;
mod packaging;
mod print;
mod programmed;
mod random_meshes;
mod readme;
mod scenario;
mod scenarios;
mod signature;
mod traffic;
mod xfcc;
