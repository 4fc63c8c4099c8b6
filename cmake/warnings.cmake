# SPDX-License-Identifier: GPL-3.0-or-later
add_library(qvm_warnings INTERFACE)
target_compile_options(qvm_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Above -O0 GCC 12 finds uninitialized members in Catch's own headers and in coroutine frames, and takes
    # the two halves of Asio's allocator of these frames for strangers when it has inlined one.
    target_compile_options(qvm_warnings INTERFACE -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Part of its -Wconversion and not of GCC's; it objects to every index that was computed.
    target_compile_options(qvm_warnings INTERFACE -Wno-sign-conversion)
endif()
if(QVM_WERROR)
    target_compile_options(qvm_warnings INTERFACE -Werror)
endif()
if(QVM_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(QVM_FUZZ)
    # Clang 14 cannot assemble coroutines with the function sanitizer ("difference across sections").
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function
        -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=address,undefined)
endif()
