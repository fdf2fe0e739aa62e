# Where python3 looks for the module syncd: Debian's Python keeps what is below
# /usr/local apart by version. Elsewhere PYTHONPATH has to name the folder.
find_program(SYNCD_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
set(python_folder lib/python3/dist-packages)
if(SYNCD_PYTHON AND CMAKE_INSTALL_PREFIX STREQUAL "/usr/local")
    execute_process(COMMAND ${SYNCD_PYTHON} -c
        "import sys; print('%d.%d' % sys.version_info[:2])"
        OUTPUT_VARIABLE python_version OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(python_version)
        set(python_folder lib/python${python_version}/dist-packages)
    endif()
endif()
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/syncd DESTINATION ${python_folder}
    FILES_MATCHING PATTERN "*.py" PATTERN "py.typed"
    PATTERN "__pycache__" EXCLUDE)
