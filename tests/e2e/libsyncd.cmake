# Tests of the client library in C, against a real daemon: libsyncd_*.c. They
# use the shared library, as programs of others do; what is hidden in it
# (proto) they link for themselves.
file(GLOB libsyncd_tests CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_LIST_DIR}/libsyncd_*.c)
foreach(source ${libsyncd_tests})
    get_filename_component(name ${source} NAME_WE)
    add_executable(e2e_${name} ${source})
    target_link_libraries(e2e_${name} PRIVATE libsyncd syncd_proto
        Threads::Threads PkgConfig::CMOCKA)
    add_dependencies(e2e_${name} syncd)
    add_test(NAME e2e_${name} COMMAND e2e_${name})
    set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 300
        ENVIRONMENT "SYNCD_BIN=${CMAKE_BINARY_DIR}/bin")
endforeach()
