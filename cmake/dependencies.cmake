# SPDX-License-Identifier: GPL-3.0-or-later
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(cap REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(archive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(pugixml REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(ncursesw REQUIRED IMPORTED_TARGET ncursesw)
pkg_check_modules(readline REQUIRED IMPORTED_TARGET readline)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)

# Asio is compiled once (src/qmp/asio_impl.cpp), so that every other file only sees declarations.
add_library(qvm_asio INTERFACE)
target_compile_definitions(qvm_asio INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
    BOOST_ASIO_HAS_CO_AWAIT)
target_link_libraries(qvm_asio INTERFACE Boost::headers Threads::Threads)
