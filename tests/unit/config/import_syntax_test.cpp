// SPDX-License-Identifier: GPL-3.0-or-later
// What import reads: the words of a script, and the arguments of QEMU's options.
#include "config/import_syntax.hpp"

#include "config/shell_words.hpp"
#include "config/toml_text.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("pairs of an option, as QEMU splits them") {
    const auto pairs = [](std::string_view text, std::string_view implied) {
        return parse_pairs(text, implied).rest();
    };
    using Pairs = std::vector<OptionPair>;
    CHECK(pairs("q35,accel=kvm", "type") == Pairs{{"type", "q35"}, {"accel", "kvm"}});
    CHECK(pairs("file=a,,b=c,if=virtio", "") == Pairs{{"file", "a,b=c"}, {"if", "virtio"}});
    CHECK(pairs("x,server,nowait", "path") == Pairs{{"path", "x"}, {"server", "on"}, {"wait", "off"}});
    CHECK(pairs("a=,b=1", "") == Pairs{{"a", ""}, {"b", "1"}});
    CHECK(pairs("a,,b", "x") == Pairs{{"x", "a,b"}});
    CHECK(pairs("", "x").empty());
    CHECK(pairs("a=1,,", "") == Pairs{{"a", "1,"}});
}

TEST_CASE("values read as TOML would have them") {
    const auto text = [](const char* key, const char* value, ValueFor purpose) {
        return toml_value(typed_value(key, value, purpose));
    };
    CHECK(text("share", "on", ValueFor::Qapi) == "true");
    CHECK(text("queues", "4", ValueFor::Qapi) == "4");
    CHECK(text("size", "4g", ValueFor::Qapi) == "\"4G\"");
    CHECK(text("serial", "0123", ValueFor::Property) == "\"0123\"");
    CHECK(text("addr", "10", ValueFor::Property) == "\"10\"");
    CHECK(text("x", "007", ValueFor::Property) == "\"007\"");
    CHECK(text("x", "0x10", ValueFor::Qapi) == "16");
    CHECK(text("x", "0x10", ValueFor::Property) == "\"0x10\"");
    CHECK(text("host-nodes", "0-2,5", ValueFor::Qapi) == "[0, 1, 2, 5]");
    CHECK(text("x", "99999999999999999999", ValueFor::Qapi) == "\"99999999999999999999\"");
    OptionPairs pairs = parse_pairs("a.b=1,a.c.0=x,a.c.1=y", "");
    CHECK(toml_value(Value(nested_table(pairs, ValueFor::Qapi), {})) ==
          "{ a = { b = 1, c = [\"x\", \"y\"] } }");
    CHECK(option_size("512", 1 << 20) == 512ULL << 20U);
    CHECK(option_size("1.5G", 1 << 20) == 3ULL << 29U);
    CHECK_FALSE(option_size("many", 1 << 20));
    CHECK_FALSE(option_size("1e30", 1 << 20));
    CHECK_FALSE(option_size("", 1));
}

TEST_CASE("the command of a script") {
    const auto words = [](std::string_view script) { return qemu_command(script).words; };
    CHECK(words("qemu-system-x86_64 -m 1G") == Words{"qemu-system-x86_64", "-m", "1G"});
    CHECK(words("which kvm; sudo kvm -m '1 G' \\\n -smp \"2\"") == Words{"kvm", "-m", "1 G", "-smp", "2"});
    CHECK(words("apt install qemu-system-x86\nX=\"a b\"\nqemu-system-arm -M $X \"$X\" '$X'") ==
          Words{"qemu-system-arm", "-M", "a", "b", "a b", "$X"});
    CHECK(words("a=(-m 1G)\na+=(-S)\n/opt/qemu-system-x86_64 \"${a[@]}\"") ==
          Words{"/opt/qemu-system-x86_64", "-m", "1G", "-S"});
    CHECK(words("qemu-system-x86_64 -S 2>/dev/null >log & echo x") == Words{"qemu-system-x86_64", "-S"});
    CHECK(words("qemu-system-x86_64 -S # -daemonize") == Words{"qemu-system-x86_64", "-S"});
    CHECK(words("qemu-system-x86_64 -m \"$(cat mem)\"") == Words{"qemu-system-x86_64", "-m", "$(cat mem)"});
    CHECK(qemu_command("qemu-system-x86_64 -m $MEM").warnings.size() == 1);
    CHECK(qemu_command("D=$(pwd)\nqemu-system-x86_64 -hda $D/a").warnings.size() == 1);
    CHECK(qemu_command("D=$(pwd)\nqemu-system-x86_64 -S").warnings.empty());
    CHECK(words("command -v qemu-system-x86_64; qemu-system-x86_64 a.qcow2") ==
          Words{"qemu-system-x86_64", "a.qcow2"});
    CHECK(words("echo hello").empty());
    CHECK(words("").empty());
}

}  // namespace
}  // namespace qvm::config
