// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/seed.hpp"

#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include "base/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

constexpr const char* key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@home";

}  // namespace

TEST_CASE("what the keys say is user-data, or vendor-data beside one's own") {
    WriteSeed seed;
    seed.instance_id = "i";
    seed.hostname = "web";
    seed.user = "me";
    seed.ssh_keys = {key};
    auto files = seed_files(seed);
    CHECK(Json::parse(files.at("meta-data")) ==
          Json::parse(R"({"instance-id": "i", "local-hostname": "web"})"));
    CHECK(files.at("user-data").starts_with("#cloud-config\n{"));
    CHECK(files.size() == 2);
    const auto generated = files.at("user-data");
    seed.user_data_text = "#!/bin/sh\n";
    files = seed_files(seed);
    CHECK(files.at("user-data") == "#!/bin/sh\n");
    CHECK(files.at("vendor-data") == generated);
    CHECK(seed_files({}).at("user-data") == "#cloud-config\n{}\n");
}

TEST_CASE("the keys of a file are its lines") {
    const test::TemporaryDirectory directory;
    const auto path = directory.path() / "keys";
    std::ofstream(path) << "# mine\n" << key << "\r\n\nssh-rsa B two";
    WriteSeed seed;
    seed.ssh_keys = {path.string()};
    CHECK(Json::parse(seed_files(seed).at("user-data").substr(14)).at("ssh_authorized_keys") ==
          Json::array({key, "ssh-rsa B two"}));
    std::ofstream(path) << "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    CHECK_THROWS_WITH(seed_files(seed), ContainsSubstring("is a private key"));
    seed.ssh_keys = {"/nowhere/id.pub"};
    CHECK_THROWS_AS(seed_files(seed), SystemError);
}

TEST_CASE("what is no public key, and what says no kind of user-data") {
    CHECK(why_no_public_key(key).empty());
    CHECK(why_no_public_key("no-pty,command=\"x\" ssh-rsa AAAA me").empty());
    CHECK(why_no_public_key("") == "is no public key of SSH");
    CHECK(why_no_public_key("hello world") == "is no public key of SSH");
    CHECK(has_user_data_header("#cloud-config\n"));
    CHECK(has_user_data_header("#!/bin/sh\n"));
    CHECK_FALSE(has_user_data_header("packages: [vim]"));
    CHECK_FALSE(has_user_data_header("# cloud-config"));
}

TEST_CASE("the image is an ISO 9660 one called CIDATA, for reading only") {
    const Fd image = make_seed_image({{"meta-data", "{}"}, {"user-data", std::string(5000, 'x')}});
    std::string start(40960, '\0');
    REQUIRE(::pread(image.get(), start.data(), start.size(), 0) > 32768 + 46);
    CHECK(start.substr(32769, 5) == "CD001");
    CHECK(start.substr(32768 + 40, 6) == "CIDATA");
    CHECK((::fcntl(image.get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
    CHECK(::lseek(image.get(), 0, SEEK_END) % 2048 == 0);
}
